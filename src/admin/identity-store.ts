/**
 * Everybody who may sign: the root user, the users of the identities file, and the users that were
 * made here, which live in the metadata store with their secrets sealed. The maps in memory are the
 * rows: this process is their only writer, so lookups are synchronous and changes count at once.
 *
 * Invariant: one owner for each access key, canonical id and e-mail address. A change is durable
 * before it counts, and a secret is given out once, when it is made.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { identityKey, IDENTITIES, IDENTITY_PREFIX } from '../meta/keyspace.ts';
import type { MetaStore, Rev } from '../meta/meta-store.ts';
import { decodeIdentity, encodeIdentity } from '../meta/record-codec.ts';
import type { IdentityKey, IdentityRecord } from '../meta/records.ts';
import type { Account } from '../s3/accounts.ts';
import type { Policy } from '../s3/policy/policy.ts';
import { type Credential, type Credentials, randomSecret, type RootKey } from './credentials.ts';
import { type Directory, openDirectory, type User } from './identities.ts';
import type { SecretBox } from './secret-box.ts';

/** A change that cannot be: who asked is told why. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
  readonly kind: 'exists' | 'missing' | 'refused';

  constructor(kind: IdentityError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

export interface IdentityStoreOptions {
  readonly meta: MetaStore;
  readonly credentials: Credentials;
  /** Of the identities file, which is the truth about them. */
  readonly users: readonly User[];
  readonly box: SecretBox;
  readonly clock: Clock;
  /** Judges identity policies. Throws an Error of one line. */
  readPolicy(text: string): Policy;
}

/** A user as operators see him: no secrets. */
export interface UserView {
  readonly id: string;
  readonly name: string;
  readonly email: string | undefined;
  readonly admin: boolean;
  readonly disabled: boolean;
  readonly policy: string | undefined;
  readonly accessKeys: readonly string[];
  /** Where the user is from. */
  readonly source: 'root' | 'file' | 'store';
}

export interface NewUser {
  readonly name: string;
  readonly email?: string | undefined;
  readonly admin?: boolean | undefined;
  readonly policy?: string | undefined;
}

export interface UserChange {
  readonly disabled?: boolean | undefined;
  readonly admin?: boolean | undefined;
  /** Null removes it. */
  readonly policy?: string | null | undefined;
}

interface Stored {
  readonly record: IdentityRecord;
  readonly rev: Rev;
  readonly account: Account;
}

const NAME = /^[\w+=,.@/-]{1,128}$/;
const EMAIL = /^[^\s@]{1,64}@[^\s@]{1,190}$/;
const SCAN_ROWS = 500;

/**
 * Canonical id of a user who is made by name: the same wherever and whenever that happens, so that
 * buckets stay with their owner when a user is removed and made again.
 */
export function canonicalIdOf(name: string): string {
  return createHash('sha256').update(`sluice user ${name}`).digest('hex');
}

export class IdentityStore implements Directory {
  readonly #options: IdentityStoreOptions;
  readonly #fixed: Directory;
  readonly #stored = new Map<string, Stored>();
  readonly #byKey = new Map<string, Credential>();
  readonly #byEmail = new Map<string, Account>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: IdentityStoreOptions) {
    this.#options = options;
    this.#fixed = openDirectory(options.credentials, options.users);
  }

  /** Throws with one clear line when the identities file and the store disagree. */
  static open(options: IdentityStoreOptions): IdentityStore {
    const store = new IdentityStore(options);
    let after: Uint8Array | undefined;
    for (let more = true; more;) {
      const scan = { prefix: IDENTITY_PREFIX, after, limit: SCAN_ROWS };
      const page = options.meta.scan(IDENTITIES, scan);
      for (const row of page.rows) {
        store.#remember(decodeIdentity(row.value), row.rev);
        after = row.key;
      }
      more = page.more;
    }
    return store;
  }

  lookup(accessKeyId: string): Credential | undefined {
    return this.#fixed.lookup(accessKeyId) ?? this.#byKey.get(accessKeyId);
  }

  byId(canonicalId: string): Account | undefined {
    return this.#fixed.byId(canonicalId) ?? this.#stored.get(canonicalId)?.account;
  }

  byEmail(email: string): Account | undefined {
    return this.#fixed.byEmail(email) ?? this.#byEmail.get(email.toLowerCase());
  }

  users(): readonly UserView[] {
    const { credentials, users } = this.#options;
    const root: UserView = {
      id: credentials.rootOwner.ownerId,
      name: credentials.rootOwner.displayName,
      email: undefined,
      admin: true,
      disabled: false,
      policy: undefined,
      accessKeys: [credentials.rootKey.accessKey],
      source: 'root',
    };
    const fromFile = users.map((user): UserView => {
      const made = this.#stored.get(user.id)?.record.keys ?? [];
      const accessKeys = [...user.keys, ...made].map(({ accessKey }) => accessKey);
      const policy = user.policy === undefined ? undefined : 'in the identities file';
      const { id, name, email, admin } = user;
      return { id, name, email, admin, disabled: false, policy, accessKeys, source: 'file' };
    });
    const own = [...this.#stored.values()].filter(({ record }) => !this.#isOfFile(record.id));
    return [root, ...fromFile, ...own.map(({ record }) => viewOf(record))];
  }

  async createUser({ name, email, admin = false, policy }: NewUser): Promise<UserView> {
    return await this.#inTurn(async () => {
      checkName(name);
      if (email !== undefined && !EMAIL.test(email)) {
        throw new IdentityError('refused', `${email} is not an e-mail address`);
      }
      if (this.#named(name) !== undefined || this.byId(canonicalIdOf(name)) !== undefined) {
        throw new IdentityError('exists', `user ${name} exists`);
      }
      if (email !== undefined && this.byEmail(email) !== undefined) {
        throw new IdentityError('exists', `another user has the e-mail address ${email}`);
      }
      this.#checkPolicy(policy);
      const id = canonicalIdOf(name);
      const record = { id, name, email, admin, disabled: false, policy, keys: [] };
      await this.#write(record);
      return viewOf(record);
    });
  }

  async changeUser(name: string, change: UserChange): Promise<UserView> {
    return await this.#inTurn(async () => {
      const { record } = this.#ownRecord(name);
      const { admin = record.admin, disabled = record.disabled } = change;
      const policy = change.policy === undefined ? record.policy : (change.policy ?? undefined);
      this.#checkPolicy(policy);
      const changed = { ...record, admin, disabled, policy };
      await this.#write(changed);
      return viewOf(changed);
    });
  }

  /** His buckets and objects stay his: a user of the same name owns them again. */
  async removeUser(name: string): Promise<void> {
    await this.#inTurn(async () => {
      const { record } = this.#ownRecord(name);
      await this.#remove(record.id);
    });
  }

  /**
   * Makes the key whose name is the user's own, as Ozone does, and the user when there is none.
   * Throws 'exists' when there is such a key: its secret was shown when it was made.
   */
  async makeSecret(name: string): Promise<RootKey> {
    return await this.#inTurn(async () => {
      checkName(name);
      const known = this.#named(name);
      if (known?.source === 'root') {
        throw new IdentityError('refused', "root's key is the one of the settings or the file");
      }
      if (this.lookup(name) !== undefined || known?.accessKeys.includes(name) === true) {
        throw new IdentityError(
          'exists',
          `a secret for ${name} exists and cannot be shown again: revoke it first`,
        );
      }
      const id = known?.id ?? canonicalIdOf(name);
      const before = this.#stored.get(id)?.record ?? {
        ...{ id, name: known?.name ?? name, email: undefined },
        ...{ admin: false, disabled: false, policy: undefined, keys: [] },
      };
      const secretKey = randomSecret();
      const key: IdentityKey = {
        accessKey: name,
        sealed: this.#options.box.seal(secretKey, sealedFor(id, name)),
        createdMs: this.#options.clock.now(),
      };
      await this.#write({ ...before, keys: [...before.keys, key] });
      return { accessKey: name, secretKey };
    });
  }

  /** Throws 'missing' when there is no key of the user's name that was made here. */
  async revokeSecret(name: string): Promise<void> {
    await this.#inTurn(async () => {
      for (const { record } of this.#stored.values()) {
        const keys = record.keys.filter(({ accessKey }) => accessKey !== name);
        if (keys.length === record.keys.length) continue;
        // Of a user of the file nothing else is kept here.
        if (keys.length === 0 && this.#isOfFile(record.id)) await this.#remove(record.id);
        else await this.#write({ ...record, keys });
        return;
      }
      throw new IdentityError('missing', `there is no secret for ${name}`);
    });
  }

  #isOfFile(id: string): boolean {
    return this.#options.users.some((user) => user.id === id);
  }

  #named(name: string): UserView | undefined {
    return this.users().find((user) => user.name === name || user.id === name);
  }

  #ownRecord(name: string): Stored {
    const known = this.#named(name);
    if (known === undefined) throw new IdentityError('missing', `there is no user ${name}`);
    const stored = this.#stored.get(known.id);
    if (known.source === 'store' && stored !== undefined) return stored;
    const where = known.source === 'root' ? 'the root user' : 'a user of the identities file';
    throw new IdentityError('refused', `${name} is ${where}: not to be changed here`);
  }

  #checkPolicy(text: string | undefined): void {
    if (text === undefined) return;
    try {
      this.#options.readPolicy(text);
    } catch (error) {
      throw new IdentityError('refused', `policy: ${(error as Error).message.split('\n')[0]}`);
    }
  }

  async #write(record: IdentityRecord): Promise<void> {
    const key = identityKey(record.id);
    const result = await this.#options.meta.commit({
      partition: IDENTITIES,
      checks: [{ key, rev: this.#stored.get(record.id)?.rev ?? 'absent' }],
      writes: [{ kind: 'put', key, value: encodeIdentity(record) }],
    });
    const row = this.#options.meta.get(IDENTITIES, key);
    if (result !== 'committed' || row === undefined) throw new Error('somebody else writes users');
    this.#forget(record.id);
    this.#remember(record, row.rev);
  }

  async #remove(id: string): Promise<void> {
    const key = identityKey(id);
    const writes = [{ kind: 'delete', key }] as const;
    await this.#options.meta.commit({ partition: IDENTITIES, checks: [], writes });
    this.#forget(id);
  }

  #remember(record: IdentityRecord, rev: Rev): void {
    const { id, name: displayName, email, admin, policy } = record;
    const parsed = policy === undefined ? undefined : this.#options.readPolicy(policy);
    const own: Account = { id, displayName, email, admin, policy: parsed };
    const account = this.#fixed.byId(id) ?? own;
    this.#stored.set(id, { record, rev, account });
    if (email !== undefined) this.#byEmail.set(email.toLowerCase(), account);
    for (const { accessKey, sealed } of record.keys) {
      if (this.#fixed.lookup(accessKey) !== undefined) {
        throw new Error(`the identities file gives away the access key of user ${displayName}`);
      }
      if (record.disabled) continue;
      const secret = this.#options.box.open(sealed, sealedFor(id, accessKey));
      this.#byKey.set(accessKey, { secret, ownerId: id, displayName: account.displayName });
    }
  }

  #forget(id: string): void {
    const record = this.#stored.get(id)?.record;
    this.#stored.delete(id);
    if (record?.email !== undefined) this.#byEmail.delete(record.email.toLowerCase());
    for (const { accessKey } of record?.keys ?? []) this.#byKey.delete(accessKey);
  }

  /** One change after the other: each sees what those before it did. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const run = this.#turn.then(work, work);
    this.#turn = run.catch(() => undefined);
    return run;
  }
}

function viewOf(record: IdentityRecord): UserView {
  const { id, name, email, admin, disabled, policy, keys } = record;
  const accessKeys = keys.map(({ accessKey }) => accessKey);
  return { id, name, email, admin, disabled, policy, accessKeys, source: 'store' };
}

const sealedFor = (id: string, accessKey: string): string => `${id}\0${accessKey}`;

function checkName(name: string): void {
  if (NAME.test(name)) return;
  throw new IdentityError('refused', 'a name has 1 to 128 letters, digits, or any of +=,.@/_-');
}
