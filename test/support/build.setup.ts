/**
 * Brings `dist/` up to date once before the tests: worker threads and the tests that start the
 * real server run compiled code. Errors of types alone do not stop a run on a developer's machine
 * (the compiler emits all the same, `npm run check` fails): one half-written room must not keep
 * the others from testing theirs.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export default function setup(): void {
  // The launcher built it already.
  if (process.env['SLUICE_BUILT'] === '1') return;
  const launcher = fileURLToPath(new URL('../../src/launch.mjs', import.meta.url));
  const mode = process.env['SLUICE_CI'] === '1' ? 'strict' : 'lenient';
  const run = spawnSync(process.execPath, [launcher, '--run', 'build'], {
    encoding: 'utf8',
    env: { ...process.env, SLUICE_BUILD: mode },
  });
  if (run.status !== 0) throw new Error(`the build failed:\n${run.stdout}${run.stderr}`);
}
