/**
 * Which datanodes belong to this store, and which folder is which. The roster stands beside the
 * metadata; each datanode's folder carries an id file. A folder that comes back empty, or with
 * somebody else's id, is recognised and not trusted.
 */
import * as fs from 'node:fs';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ID_FILE } from '../chunks/datanode-service.ts';
import type { DatanodeState } from '../chunks/datanode.ts';
import { makeFolder, syncFolder } from '../chunks/file-bytes.ts';
import { StoreError } from '../base/store-error.ts';

const RosterSchema = z.object({
  version: z.literal(1),
  store: z.uuid(),
  datanodes: z.array(
    z.object({ node: z.int().nonnegative(), id: z.uuid(), directory: z.string() }),
  ),
});
type Roster = z.infer<typeof RosterSchema>;

const IdSchema = z.object({ version: z.literal(1), store: z.uuid(), id: z.uuid() });

export interface RosterEntry {
  readonly node: number;
  readonly id: string;
  readonly directory: string;
  readonly state: DatanodeState;
}

/**
 * Matches the given folders with the roster, adding those that are new. Throws StoreError
 * 'corrupt' when the roster is unreadable or a folder of another store is given to a new one.
 */
export function openRoster(
  metaDirectory: string,
  directories: readonly string[],
): readonly RosterEntry[] {
  const path = join(metaDirectory, 'roster.json');
  const known = readJson(path, RosterSchema);
  const roster: Roster = known ?? { version: 1, store: randomUUID(), datanodes: [] };
  const entries: RosterEntry[] = [];
  const added: string[] = [];
  for (const directory of directories) {
    const mark = readJson(join(directory, ID_FILE), IdSchema);
    const byId = roster.datanodes.find((one) => one.id === mark?.id && mark.store === roster.store);
    const byPath = roster.datanodes.find((one) => one.directory === directory);
    if (byId !== undefined) {
      entries.push({ ...byId, directory, state: 'up' });
    } else if (byPath !== undefined) {
      entries.push({ ...byPath, state: fs.existsSync(directory) ? 'foreign' : 'gone' });
    } else if (mark !== undefined) {
      throw new StoreError('corrupt', `${directory} belongs to another store (${mark.store})`);
    } else {
      added.push(directory);
    }
  }
  for (const directory of added) entries.push(addDatanode(roster, directory));
  for (const one of roster.datanodes) {
    if (!entries.some(({ node }) => node === one.node)) entries.push({ ...one, state: 'gone' });
  }
  // The id files are durable before the roster names them: a crash between leaves new folders.
  const moved = entries.some(
    (entry) =>
      entry.directory !== roster.datanodes.find(({ node }) => node === entry.node)?.directory,
  );
  if (known === undefined || added.length > 0 || moved) {
    const datanodes = entries
      .map(({ node, id, directory }) => ({ node, id, directory }))
      .toSorted((left, right) => left.node - right.node);
    writeJson(path, { ...roster, datanodes });
  }
  return entries.toSorted((left, right) => left.node - right.node);
}

function addDatanode(roster: Roster, directory: string): RosterEntry {
  const node = Math.max(-1, ...roster.datanodes.map((one) => one.node)) + 1;
  const id = randomUUID();
  makeFolder(directory);
  writeJson(join(directory, ID_FILE), { version: 1, store: roster.store, id });
  roster.datanodes.push({ node, id, directory });
  return { node, id, directory, state: 'up' };
}

/** Undefined when the file is not there. */
function readJson<T>(path: string, schema: z.ZodType<T>): T | undefined {
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new StoreError('corrupt', `${path} is damaged`, error);
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
