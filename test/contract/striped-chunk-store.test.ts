/** The chunk store contract over real datanode threads, in every kind of layout. */
import type { FileAccess } from '../../src/chunks/datanode-protocol.ts';
import { columnsOf, type Replication } from '../../src/chunks/chunk-store.ts';
import { openDatanodes } from '../support/datanodes.ts';
import { chunkStoreContract } from './chunk-store.contract.ts';

const CASES: readonly (readonly [Replication, FileAccess])[] = [
  ['one', 'buffered'],
  ['two', 'buffered'],
  ['three', 'direct'],
  ['xor-2-1-1024k', 'buffered'],
  ['xor-2-1-1024k', 'direct'],
  ['rs-3-2-1024k', 'buffered'],
  ['rs-6-3-1024k', 'buffered'],
];

for (const [layout, io] of CASES) {
  chunkStoreContract(`datanode threads, ${io}`, layout, async () => {
    const { data, parity } = columnsOf(layout);
    const fixture = await openDatanodes(data + parity, { io });
    return {
      store: fixture.store,
      arena: fixture.arena,
      close: async () => {
        await fixture.close();
        fixture.remove();
      },
    };
  });
}
