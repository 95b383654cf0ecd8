/** The committed module must be what the kernel sources compile to. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { KERNELS_SOURCE_SHA256 } from '../../../src/wasm/kernels-module.ts';

const wasm = new URL('../../../src/wasm/', import.meta.url);

it('carries the hash of the kernel sources', () => {
  const sources = new URL('assembly/', wasm);
  const names = readdirSync(sources)
    .filter((name) => name.endsWith('.ts'))
    .toSorted();
  expect(names.length).toBeGreaterThan(0);
  const hash = createHash('sha256');
  for (const name of names) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(new URL(name, sources)))
      .update('\0');
  }
  expect(KERNELS_SOURCE_SHA256, 'run `npm run kernels`').toBe(hash.digest('hex'));
});

it('is what the sources compile to', { timeout: 60_000 }, async () => {
  const build = fileURLToPath(new URL('build-kernels.mjs', wasm));
  await promisify(execFile)(process.execPath, [build, '--check']);
});
