/** Which datanodes a new chunk goes to: rendezvous hashing over those that are up. */
import { StoreError } from '../base/store-error.ts';
import { checksumOf } from './checksum.ts';
import type { Datanode } from './datanode.ts';

/**
 * One datanode for each column, spread evenly over all chunks. Throws 'unavailable' when fewer are
 * up than the layout has columns: a chunk is never stored with less redundancy than named.
 */
export function placeColumns(
  chunk: string,
  columns: number,
  datanodes: readonly Datanode[],
): readonly Datanode[] {
  const scored = datanodes
    .filter((datanode) => datanode.state === 'up')
    .map((datanode) => ({ datanode, score: checksumOf(Buffer.from(`${chunk}/${datanode.node}`)) }));
  if (scored.length < columns) {
    throw new StoreError('unavailable', `${scored.length} datanodes are up, ${columns} are needed`);
  }
  scored.sort((left, right) => (left.score < right.score ? -1 : 1));
  return scored.slice(0, columns).map(({ datanode }) => datanode);
}
