/**
 * The keyring: wrapping keys in one file that only its owner may read, made at the first need.
 * `master` keys serve SSE-S3, the newest for new data; named `keys` serve SSE-KMS. Nothing is ever
 * taken out: old data names the key that it needs, and stays unreadable without it.
 *
 * Invariant: a key has wrapped nothing before it is on stable storage. Write, sync, rename, sync.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../base/clock.ts';
import { S3Error } from '../base/s3-error.ts';
import { StoreError } from '../base/store-error.ts';
import type { GeneratedKey, KeyProvider, ProviderKey } from './key-provider.ts';
import { type KeyContext, unwrapKey, wrapKey } from './key-wrap.ts';
import { KEY_BYTES } from './segment-cipher.ts';

/** The key of `aws:kms` without a name, as AWS calls its own. */
const DEFAULT_KEY = 'aws/s3';
const ACCOUNT = '000000000000';

const keySchema = z.object({
  id: z.string().min(1),
  name: z.string().optional(),
  created: z.string(),
  key: z.base64().refine((text) => Buffer.from(text, 'base64').length === KEY_BYTES),
});
const fileSchema = z.object({
  version: z.literal(1),
  master: z.array(keySchema),
  keys: z.array(keySchema),
});

type KeptKey = z.infer<typeof keySchema>;
type Kept = z.infer<typeof fileSchema>;

export interface KeyringOptions {
  /** Its folder must exist. */
  readonly file: string;
  readonly clock: Clock;
  /** Of the ARNs by which keys are told. */
  readonly region: string;
  /** Keys that are made now unless they are there. */
  readonly names?: readonly string[] | undefined;
}

export class Keyring {
  readonly #options: KeyringOptions;
  #kept: Kept;

  /** Throws with one clear line when the file is damaged. */
  constructor(options: KeyringOptions) {
    this.#options = options;
    this.#kept = readKeyring(options.file) ?? { version: 1, master: [], keys: [] };
    const known = new Set(this.#kept.keys.map(({ name }) => name));
    const missing = [...new Set(options.names)].filter((name) => !known.has(name));
    if (missing.length === 0) return;
    const made = missing.map((name) => this.#newKey(name));
    this.#keep({ ...this.#kept, keys: [...this.#kept.keys, ...made] });
  }

  /** For SSE-S3: its keys have no names. */
  get master(): KeyProvider {
    return this.#provider(
      () => this.#kept.master,
      () => this.#newestMaster(),
    );
  }

  /** For SSE-KMS. */
  get kms(): KeyProvider {
    return this.#provider(
      () => this.#kept.keys,
      (name) => this.#named(name),
    );
  }

  #provider(keys: () => readonly KeptKey[], find: (name?: string) => KeptKey): KeyProvider {
    const keyOf = (id: string): Uint8Array => {
      const kept = keys().find((one) => one.id === id);
      if (kept === undefined) throw notFound(this.#arn(id));
      return Buffer.from(kept.key, 'base64');
    };
    return {
      // Synchronous inside: a service would not be.
      find: async (name): Promise<ProviderKey> => {
        const { id } = await Promise.resolve(find(name));
        return { id, arn: this.#arn(id) };
      },
      generateDataKey: async (id, context: KeyContext): Promise<GeneratedKey> => {
        const key = new Uint8Array(randomBytes(KEY_BYTES));
        return await Promise.resolve({ key, wrapped: wrapKey(keyOf(id), key, context) });
      },
      decrypt: async (id, wrapped, context): Promise<Uint8Array> => {
        const key = unwrapKey(keyOf(id), wrapped, context);
        if (key === undefined) throw new StoreError('corrupt', 'a data key cannot be unwrapped');
        return await Promise.resolve(key);
      },
    };
  }

  #newestMaster(): KeptKey {
    const newest = this.#kept.master.at(-1);
    if (newest !== undefined) return newest;
    const made = this.#newKey(undefined);
    this.#keep({ ...this.#kept, master: [...this.#kept.master, made] });
    return made;
  }

  #named(asked: string | undefined): KeptKey {
    const name = bareName(asked ?? DEFAULT_KEY);
    const found = this.#kept.keys.find((one) => one.name === name || one.id === name);
    if (found !== undefined) return found;
    if (name !== DEFAULT_KEY) throw notFound(asked ?? DEFAULT_KEY);
    const made = this.#newKey(DEFAULT_KEY);
    this.#keep({ ...this.#kept, keys: [...this.#kept.keys, made] });
    return made;
  }

  #newKey(name: string | undefined): KeptKey {
    return {
      id: randomUUID(),
      ...(name === undefined ? {} : { name }),
      created: new Date(this.#options.clock.now()).toISOString(),
      key: randomBytes(KEY_BYTES).toString('base64'),
    };
  }

  #keep(kept: Kept): void {
    writeKeyring(this.#options.file, kept);
    this.#kept = kept;
  }

  #arn(id: string): string {
    return `arn:aws:kms:${this.#options.region}:${ACCOUNT}:key/${id}`;
  }
}

/** Of an ARN, an alias, or what is a bare name or id already. */
function bareName(asked: string): string {
  const resource = /^arn:[^:]*:kms:[^:]*:[^:]*:(.+)$/.exec(asked)?.[1] ?? asked;
  return resource.replace(/^(key|alias)\//, '');
}

function notFound(name: string): S3Error {
  return new S3Error('KMS.NotFoundException', { message: `Key '${name}' does not exist` });
}

function readKeyring(file: string): Kept | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  // Restored from a backup or copied by hand: nobody else is meant to read it.
  if ((found.mode & 0o077) !== 0) chmodSync(file, 0o600);
  try {
    return fileSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    throw new Error(`${file} is damaged: restore it, encrypted objects cannot be read without it`);
  }
}

function writeKeyring(file: string, kept: Kept): void {
  const temporary = `${file}.new`;
  const descriptor = openSync(temporary, 'w', 0o600);
  writeSync(descriptor, `${JSON.stringify(kept, undefined, 2)}\n`);
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(temporary, file);
  const directory = openSync(dirname(file), 'r');
  fsyncSync(directory);
  closeSync(directory);
}
