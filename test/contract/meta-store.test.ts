/** Runs the metadata contract on the memory twin and on LMDB, durable and relaxed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { openLmdbMetaStore } from '../../src/meta/lmdb-meta-store.ts';
import type { MetaStore } from '../../src/meta/meta-store.ts';
import { MemoryMetaStore } from '../support/memory-meta-store.ts';
import { metaStoreContract } from './meta-store.contract.ts';
import type { OpenedStore } from './meta-store.contract.ts';

metaStoreContract('MemoryMetaStore', async () => {
  const store = new MemoryMetaStore();
  return { store, dispose: () => store.close() };
});

for (const durability of ['durable', 'relaxed'] as const) {
  metaStoreContract(`LmdbMetaStore (${durability})`, async (): Promise<OpenedStore> => {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-meta-'));
    const open = (): MetaStore =>
      openLmdbMetaStore({
        directory,
        durability,
        clock: systemClock,
        onFatal: (error) => {
          throw error;
        },
      });
    let store = open();
    return {
      store,
      reopen: async () => {
        await store.close();
        store = open();
        return store;
      },
      dispose: async () => {
        await store.close();
        await rm(directory, { recursive: true });
      },
    };
  });
}
