/**
 * Who a statement of a bucket policy is about: reads Principal and NotPrincipal and tells whether
 * an account is meant. Each user is an account of its own, so that its canonical id stands where
 * AWS has the account's number. Services and federated users are read and are nobody here.
 */
import { malformed, type PolicyHome } from './malformed.ts';

/** Who asks. */
export interface Principal {
  readonly id: string;
  readonly name: string;
  readonly anonymous: boolean;
}

export function arnOf(id: string, name: string): string {
  return `arn:aws:iam::${id}:user/${name}`;
}

export interface Principals {
  /** NotPrincipal: everybody but those. */
  readonly except: boolean;
  readonly everybody: boolean;
  /** Canonical ids, account ids and user names, as the document's forms name them. */
  readonly ids: ReadonlySet<string>;
  readonly names: ReadonlySet<string>;
}

const USER_ARN = /^arn:aws(?:-cn|-us-gov)?:(?:iam|sts)::([\w+=,.@-]*):(\w[\w-]*)(?:\/(.+))?$/;
const KINDS: ReadonlySet<string> = new Set(['AWS', 'CanonicalUser', 'Service', 'Federated']);
const SERVICE = /^[a-z0-9.-]+\.amazonaws\.com(\.cn)?$/;
const RESOURCES: ReadonlySet<string> = new Set([
  'root',
  'user',
  'role',
  'assumed-role',
  'federated-user',
]);

function invalid(detail: string): Error {
  return malformed('Invalid principal in policy', detail);
}

class Reader {
  readonly #home: PolicyHome;
  everybody = false;
  readonly ids = new Set<string>();
  readonly names = new Set<string>();

  constructor(home: PolicyHome) {
    this.#home = home;
  }

  read(kind: string, text: unknown): void {
    if (!KINDS.has(kind)) throw invalid(kind);
    if (typeof text !== 'string' || text === '') throw invalid(kind);
    if (kind === 'AWS') this.#readAws(text);
    else if (kind === 'CanonicalUser') {
      if (!/^[0-9a-f]{64}$/i.test(text) && !this.#home.knows(text)) throw invalid(text);
      this.ids.add(text);
    } else if (kind === 'Service' && !SERVICE.test(text)) throw invalid(text);
  }

  #readAws(text: string): void {
    if (text === '*') {
      this.everybody = true;
    } else if (!text.startsWith('arn:')) {
      if (!/^(\d{12}|[0-9a-f]{64})$/.test(text) && !this.#home.knows(text)) throw invalid(text);
      this.ids.add(text);
    } else {
      const [, account = '', kind = '', name] = USER_ARN.exec(text) ?? [];
      if (!RESOURCES.has(kind) || (kind === 'root') !== (name === undefined)) throw invalid(text);
      if (name !== undefined && /[*?]/.test(name)) throw invalid(text);
      if (kind === 'root') {
        if (account === '') throw invalid(text);
        this.ids.add(account);
      } else if (kind === 'user' && name !== undefined) {
        // With its account or without; a path before the name says nothing of who it is.
        this.names.add(`${account}:${name.slice(name.lastIndexOf('/') + 1)}`);
      }
    }
  }
}

/** Throws MalformedPolicy. */
export function readPrincipals(
  statement: Readonly<Record<string, unknown>>,
  home: PolicyHome,
): Principals {
  const { Principal: named, NotPrincipal: others } = statement;
  if (named !== undefined && others !== undefined) throw malformed('Invalid policy syntax.');
  const value = named ?? others;
  if (value === undefined) throw malformed('Missing required field Principal');
  const reader = new Reader(home);
  if (typeof value === 'string') {
    if (value !== '*') throw invalid(value);
    reader.everybody = true;
  } else {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('');
    const entries = Object.entries(value as Record<string, unknown>);
    if (entries.length === 0) throw invalid('');
    for (const [kind, texts] of entries) {
      const list: readonly unknown[] = Array.isArray(texts) ? texts : [texts];
      if (list.length === 0) throw invalid(kind);
      for (const text of list) reader.read(kind, text);
    }
  }
  const { everybody, ids, names } = reader;
  return { except: others !== undefined, everybody, ids, names };
}

export function isMeant(principals: Principals, { id, name, anonymous }: Principal): boolean {
  const { everybody, ids, names, except } = principals;
  if (everybody) return !except;
  const named =
    !anonymous &&
    (ids.has(id) ||
      [`:${name}`, `:${id}`, `${id}:${name}`, `${id}:${id}`].some((one) => names.has(one)));
  return named !== except;
}
