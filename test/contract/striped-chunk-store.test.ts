/** The chunk store contract over real datanode threads, in every kind of layout. */
import { columnsOf, type Replication } from '../../src/chunks/chunk-store.ts';
import { openDatanodes } from '../support/datanodes.ts';
import { chunkStoreContract } from './chunk-store.contract.ts';

const LAYOUTS: readonly Replication[] = [
  'one',
  'three',
  'xor-2-1-1024k',
  'rs-3-2-1024k',
  'rs-6-3-1024k',
];

for (const layout of LAYOUTS) {
  chunkStoreContract('datanode threads', layout, async () => {
    const { data, parity } = columnsOf(layout);
    const fixture = await openDatanodes(data + parity);
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
