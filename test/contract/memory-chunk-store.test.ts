/** The chunk store contract over its readable twin. */
import { systemClock } from '../../src/base/clock.ts';
import { Arena } from '../../src/memory/arena.ts';
import { MemoryChunkStore } from '../support/memory-chunk-store.ts';
import { chunkStoreContract } from './chunk-store.contract.ts';

chunkStoreContract('memory twin', 'one', () => {
  const arena = new Arena(16 * 1024 * 1024);
  const store = new MemoryChunkStore({ arena, clock: systemClock });
  return Promise.resolve({ store, arena, close: () => store.close() });
});
