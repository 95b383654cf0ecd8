/**
 * The map of the rooms as data: who may import whom, and which package or Node module is fenced
 * into which files. `tidy.test.ts` holds the tree against it and makes sure that the linter's
 * configuration says the same.
 */

export interface Room {
  /** Rooms whose values may be imported. A room may always import itself. */
  readonly uses: readonly string[];
  /** Rooms of which only types may be imported. */
  readonly types?: readonly string[];
}

/** Bottom to top: data falls through them once and climbs back once. No upward imports. */
export const ROOMS: Readonly<Record<string, Room>> = {
  base: { uses: [] },
  memory: { uses: ['base'] },
  crypto: { uses: ['base'] },
  wasm: { uses: ['base', 'memory'] },
  threads: { uses: ['base', 'memory'] },
  body: { uses: ['base', 'memory', 'threads', 'wasm'] },
  meta: { uses: ['base'] },
  chunks: { uses: ['base', 'memory', 'wasm', 'threads'] },
  engine: { uses: ['base', 'memory', 'wasm', 'threads', 'meta', 'chunks'] },
  objects: {
    uses: ['base', 'crypto', 'wasm', 'meta', 'chunks'],
    types: ['memory', 'body', 'engine'],
  },
  s3: { uses: ['base', 'body', 'chunks', 'objects'], types: ['memory', 'engine', 'meta'] },
  http: { uses: ['base', 'memory', 'body', 's3'] },
  admin: { uses: ['base', 'meta'], types: ['s3', 'objects', 'engine', 'chunks', 'body'] },
  events: { uses: ['base', 'meta', 's3'], types: ['objects'] },
};

/** Files of a room that others may see; absent: all of them. Engines stay behind contracts. */
export const OPEN_FILES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  objects: {
    crypto: ['data-keys.ts', 'segment-cipher.ts'],
    // Pure arithmetic on checksums: no memory, no kernel.
    wasm: ['crc.ts', 'crc-combine.ts', 'xx-hash.ts'],
    meta: ['meta-store.ts', 'keyspace.ts', 'records.ts', 'object-codec.ts', 'record-codec.ts'],
    chunks: ['chunk-store.ts'],
    engine: ['engine.ts'],
  },
  admin: { meta: ['meta-store.ts', 'keyspace.ts', 'records.ts', 'record-codec.ts'] },
  events: {
    meta: ['meta-store.ts', 'keyspace.ts', 'records.ts', 'record-codec.ts'],
    s3: ['events.ts', 'notification.ts'],
  },
  s3: { chunks: ['chunk-store.ts'], engine: ['engine.ts'], meta: ['records.ts'] },
};

/** Module → the only files (path prefixes from the root) that may name it. */
export const FENCES: Readonly<Record<string, readonly string[]>> = {
  'uWebSockets.js': ['src/http/'],
  lmdb: ['src/meta/lmdb-'],
  'node:worker_threads': ['src/threads/', 'workers/'],
  'node:fs': [
    'src/chunks/',
    'src/engine/',
    'src/config.ts',
    'src/main.ts',
    'src/admin/',
    'src/crypto/keyring.ts',
  ],
  'node:fs/promises': ['src/chunks/', 'src/engine/', 'src/admin/', 'src/events/'],
  'node:net': ['src/config', 'src/admin/', 'src/http/'],
};
