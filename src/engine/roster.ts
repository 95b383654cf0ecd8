/**
 * Which datanodes belong to this store, and which folder is which. The roster stands beside the
 * metadata; each datanode's folder carries an id file. A folder that comes back empty, or with
 * somebody else's id, is recognised and not trusted.
 */
import * as fs from 'node:fs';
import { randomUUID } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { ID_FILE } from '../chunks/datanode-service.ts';
import type { DatanodeState } from '../chunks/datanode.ts';
import { makeFolder, syncFolder } from '../chunks/file-bytes.ts';
import { codeOf } from '../chunks/file-faults.ts';
import { StoreError } from '../base/store-error.ts';

const RosterSchema = z.object({
  version: z.literal(1),
  store: z.uuid(),
  datanodes: z.array(
    z.object({
      node: z.int().nonnegative(),
      id: z.uuid(),
      directory: z.string(),
      /** Its id file may not have been written yet, and nothing else was. */
      pending: z.literal(true).optional(),
    }),
  ),
});
type Roster = z.infer<typeof RosterSchema>;
type Known = Roster['datanodes'][number];

const MarkSchema = z.object({ version: z.literal(1), store: z.uuid(), id: z.uuid() });
type Mark = z.infer<typeof MarkSchema>;

export interface RosterEntry {
  readonly node: number;
  readonly id: string;
  readonly directory: string;
  readonly state: DatanodeState;
}

/**
 * Matches the given folders with the roster, adding those that are new. Throws StoreError
 * 'corrupt' when the roster is unreadable, or when a folder cannot be told to be ours or new.
 *
 * A new datanode is first named as pending, then its folder is marked, then it is named for good:
 * a crash between any two of these is made up for by the next start.
 */
export function openRoster(
  metaDirectory: string,
  directories: readonly string[],
): readonly RosterEntry[] {
  const path = join(metaDirectory, 'roster.json');
  const old = readRoster(path);
  const roster: Roster = { version: 1, store: randomUUID(), datanodes: [], ...old };
  const entries = new Map<number, RosterEntry>();
  for (const directory of directories.map((given) => resolve(given))) {
    const { node, id, state, pending } = matchFolder(roster, directory);
    if (entries.has(node)) {
      throw new StoreError('corrupt', `${directory} is a copy of datanode ${node}`);
    }
    entries.set(node, { node, id, directory, state });
    roster.datanodes = [
      ...roster.datanodes.filter((one) => one.node !== node),
      { node, id, directory, ...(pending && { pending: true as const }) },
    ].toSorted((left, right) => left.node - right.node);
  }
  for (const { node, id, directory } of roster.datanodes) {
    if (!entries.has(node)) entries.set(node, { node, id, directory, state: 'gone' });
  }
  const pending = roster.datanodes.filter(
    (one) => one.pending === true && entries.get(one.node)?.state === 'up',
  );
  if (pending.length > 0) {
    writeJson(path, roster);
    for (const { id, directory } of pending) {
      makeFolder(directory);
      writeJson(join(directory, ID_FILE), { version: 1, store: roster.store, id });
    }
    for (const one of pending) delete one.pending;
  }
  if (pending.length > 0 || !isDeepStrictEqual(old, roster)) writeJson(path, roster);
  return [...entries.values()].toSorted((left, right) => left.node - right.node);
}

/** Which datanode a folder is. One that is pending is up: it gets its mark before it is used. */
function matchFolder(
  roster: Roster,
  directory: string,
): Omit<RosterEntry, 'directory'> & { readonly pending: boolean } {
  const mark = readMark(directory);
  const ofMark = (one: Known): boolean =>
    mark !== 'none' && mark !== 'unreadable' && one.id === mark.id && mark.store === roster.store;
  const byMark = roster.datanodes.find(ofMark);
  if (byMark !== undefined) return { ...byMark, state: 'up', pending: false };
  const byPath = roster.datanodes.find((one) => one.directory === directory);
  if (byPath !== undefined) {
    const unmarked = byPath.pending === true && mark === 'none';
    if (unmarked) return { ...byPath, state: 'up', pending: true };
    const state = fs.existsSync(directory) ? 'foreign' : 'gone';
    return { ...byPath, state, pending: false };
  }
  if (mark === 'none') {
    const node = Math.max(-1, ...roster.datanodes.map((one) => one.node)) + 1;
    return { node, id: randomUUID(), state: 'up', pending: true };
  }
  const whose = mark === 'unreadable' ? 'somebody, its id file is damaged' : mark.store;
  throw new StoreError('corrupt', `${directory} belongs to another store (${whose})`);
}

/** Undefined when there is none yet. */
function readRoster(path: string): Roster | undefined {
  try {
    return RosterSchema.parse(JSON.parse(fs.readFileSync(path, 'utf8')));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new StoreError('corrupt', `${path} is damaged`, error);
  }
}

/** A folder whose mark cannot be read is not trusted, but keeps nobody from starting. */
function readMark(directory: string): Mark | 'none' | 'unreadable' {
  try {
    return MarkSchema.parse(JSON.parse(fs.readFileSync(join(directory, ID_FILE), 'utf8')));
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? 'none' : 'unreadable';
  }
}

/** Whole or not at all, and durable with its folder. */
function writeJson(path: string, value: object): void {
  const temporary = `${path}.tmp`;
  const file = fs.openSync(temporary, 'w', 0o600);
  try {
    fs.writeSync(file, `${JSON.stringify(value, null, 2)}\n`);
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
  fs.renameSync(temporary, path);
  syncFolder(dirname(path));
}
