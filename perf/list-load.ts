/**
 * Listing load: walks a bucket by ListObjectsV2 pages of 1,000 keys with several clients, each
 * beginning at another place. Counts the keys that came, and refuses pages that are short.
 */
import { Connection } from './connection.ts';
import { ask, type Place, type Window } from './load.ts';

export interface ListOptions extends Place {
  readonly bucket: string;
  /** How many keys the bucket holds, named by `listKey`. */
  readonly keyCount: number;
  readonly clients: number;
  readonly pages: number;
}

export const PAGE_KEYS = 1000;
const DIGITS = 8;

/** The keys are numbers from 0 on, in order. What `seed` names so, a page walks through. */
export const LIST_PREFIX = 'key-';

/** Numbers without leading zeros do not sort, so these begin high enough to have equal length. */
export const LIST_FIRST = 10 ** (DIGITS - 1);

export async function listPages(options: ListOptions): Promise<Window> {
  const latencies: number[] = [];
  const perClient = Math.ceil(options.pages / options.clients);
  const pagesInAll = Math.floor(options.keyCount / PAGE_KEYS);
  let units = 0;
  const client = async (number: number): Promise<void> => {
    const connection = await Connection.open(options.port);
    let page = Math.floor((pagesInAll / options.clients) * number);
    for (let count = 0; count < perClient; count += 1) {
      const after = `${LIST_PREFIX}${LIST_FIRST + page * PAGE_KEYS}`;
      const query = `list-type=2&max-keys=${PAGE_KEYS}&start-after=${after}`;
      const path = `/${options.bucket}`;
      const sentMs = performance.now();
      const answer = await ask(connection, options, { method: 'GET', path, query });
      latencies.push(performance.now() - sentMs);
      const keys = countOf(answer.bytes, '<Key>');
      const expected = Math.min(PAGE_KEYS, options.keyCount - page * PAGE_KEYS - 1);
      if (keys !== expected) throw new Error(`a page of ${keys} keys after ${after}`);
      units += keys;
      page = (page + 1) % pagesInAll;
    }
    connection.close();
  };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: options.clients }, (_, number) => client(number)));
  return { units, wallMs: performance.now() - startedMs, latencies };
}

function countOf(bytes: Buffer, word: string): number {
  let count = 0;
  for (let at = bytes.indexOf(word); at >= 0; at = bytes.indexOf(word, at + word.length))
    count += 1;
  return count;
}
