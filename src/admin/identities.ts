/**
 * The users of the identities file: its schema, and the lookups over them and the root user. The
 * file is the truth: it is read at every start, and a user who left it can do nothing any more.
 * Whoever is named twice is refused: the second would silently be somebody else.
 */
import { statSync } from 'node:fs';
import { z } from 'zod';
import type { Account, Accounts } from '../s3/accounts.ts';
import type { Policy } from '../s3/policy/policy.ts';
import type { Credential, Credentials } from './credentials.ts';

const accessKeySchema = z
  .string()
  .regex(/^[A-Za-z0-9._-]{3,128}$/, 'expected 3 to 128 letters, digits, dots, dashes');
const secretKeySchema = z
  .string()
  .regex(/^[!-~]{8,128}$/, 'expected 8 to 128 printable characters without spaces');

const keySchema = z.strictObject({ accessKey: accessKeySchema, secretKey: secretKeySchema });

const userSchema = z.strictObject({
  id: z.string().regex(/^[\w+=.@-]{1,128}$/, 'expected 1 to 128 letters, digits, dots, dashes'),
  name: z.string().min(1, 'expected a name').max(128, 'expected at most 128 characters'),
  email: z.email('expected an e-mail address').optional(),
  admin: z.boolean().default(false),
  keys: z.array(keySchema).default([]),
  policy: z.record(z.string(), z.unknown()).optional(),
});

const identitiesSchema = z.strictObject({
  users: z.array(userSchema).default([]),
  kmsKeys: z
    .array(z.string().regex(/^[A-Za-z0-9/_-]{1,250}$/, 'expected letters, digits, dashes, slashes'))
    .default([]),
});

export interface User extends Omit<z.output<typeof userSchema>, 'policy'> {
  readonly policy: Policy | undefined;
}

export interface Identities {
  readonly users: readonly User[];
  /** Names of keys for encryption. */
  readonly kmsKeys: readonly string[];
}

export const NO_IDENTITIES: Identities = { users: [], kmsKeys: [] };

/** `readPolicy` judges inline policies. Throws an Error of one line. */
export function parseIdentities(text: string, readPolicy: (text: string) => Policy): Identities {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    // The parser's own words would quote the file, secrets and all.
    throw new Error('not valid JSON');
  }
  const parsed = identitiesSchema.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') ?? '';
    throw new Error(`${where === '' ? '' : `${where}: `}${issue?.message ?? 'invalid'}`);
  }
  const { users, kmsKeys } = parsed.data;
  checkUnique(
    'users with the id',
    users.map(({ id }) => id),
  );
  const emails = users.flatMap(({ email }) => (email === undefined ? [] : [email.toLowerCase()]));
  checkUnique('users with the e-mail address', emails);
  const keys = users.flatMap((user) => user.keys.map(({ accessKey }) => accessKey));
  checkUnique('keys called', keys);
  checkUnique('kmsKeys called', kmsKeys);
  return { users: users.map((user, index) => withPolicy(user, index, readPolicy)), kmsKeys };
}

function withPolicy(
  user: z.output<typeof userSchema>,
  index: number,
  readPolicy: (text: string) => Policy,
): User {
  if (user.policy === undefined) return { ...user, policy: undefined };
  try {
    return { ...user, policy: readPolicy(JSON.stringify(user.policy)) };
  } catch (error) {
    throw new Error(`users.${index}.policy: ${(error as Error).message}`, { cause: error });
  }
}

function checkUnique(what: string, names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw new Error(`two ${what} ${name}`);
    seen.add(name);
  }
}

/** True when others than its owner may read the file's secrets. */
export function isReadableByOthers(file: string): boolean {
  return (statSync(file).mode & 0o044) !== 0;
}

export interface Directory extends Accounts {
  /** A hot, synchronous answer. */
  lookup(accessKeyId: string): Credential | undefined;
}

/** Root and the users. Throws when a user goes by root's key or id. */
export function openDirectory(credentials: Credentials, users: readonly User[]): Directory {
  const { rootOwner, rootKey } = credentials;
  const byKey = new Map<string, Credential>();
  const byEmail = new Map<string, Account>();
  const byId = new Map<string, Account>([
    [
      rootOwner.ownerId,
      {
        id: rootOwner.ownerId,
        displayName: rootOwner.displayName,
        email: undefined,
        admin: true,
        policy: undefined,
      },
    ],
  ]);
  for (const { id, name, email, admin, keys, policy } of users) {
    if (byId.has(id)) throw new Error(`the identities file has a user with root's id ${id}`);
    const account: Account = { id, displayName: name, email, admin, policy };
    byId.set(id, account);
    if (email !== undefined) byEmail.set(email.toLowerCase(), account);
    for (const { accessKey, secretKey } of keys) {
      if (accessKey === rootKey.accessKey) {
        throw new Error(`the identities file gives user ${id} the root access key`);
      }
      byKey.set(accessKey, { secret: secretKey, ownerId: id, displayName: name });
    }
  }
  return {
    lookup: (accessKeyId) => credentials.lookup(accessKeyId) ?? byKey.get(accessKeyId),
    byId: (id) => byId.get(id),
    byEmail: (email) => byEmail.get(email.toLowerCase()),
  };
}
