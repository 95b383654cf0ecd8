import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

// A run of the real vitest over files that pass, fail, skip, break outside of tests and do not
// load: the last line has to tell the truth about each.
const repository = fileURLToPath(new URL('../../../', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'sluice-count-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

copyFileSync(join(repository, 'test/support/count-reporter.ts'), join(root, 'reporter.ts'));
writeFileSync(
  join(root, 'vitest.config.mjs'),
  "export default { test: { reporters: ['./reporter.ts'] } };",
);
symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'));

function run(files: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv = {}) {
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(root, name), `import { beforeAll, expect, it } from 'vitest';\n${text}`);
  }
  const entry = join(repository, 'node_modules/vitest/vitest.mjs');
  const args = [entry, 'run', '--root', root, ...Object.keys(files)];
  const clean = { ...process.env, SLUICE_COUNTS: undefined, VITEST: undefined, ...env };
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env: clean });
  return { status, last: stdout.trimEnd().split('\n').at(-1) };
}

const PASSING = "it('is', () => { expect(1).toBe(1); });\nit.skip('is not', () => {});";

describe('the last line of a run', () => {
  it('counts what passed and was skipped', () => {
    expect(run({ 'a.test.ts': PASSING })).toEqual({
      status: 0,
      last: '1 passed, 0 failed, 1 skipped',
    });
  });

  it('counts failures, broken hooks, files that do not load, and stray errors', () => {
    const files = {
      'b.test.ts': `${PASSING}\nit('fails', () => { expect(1).toBe(2); });`,
      'c.test.ts': "beforeAll(() => { throw new Error('hook'); });\nit('never', () => {});",
      'd.test.ts': "throw new Error('does not load');",
    };
    const { status, last } = run(files);
    expect(status).toBe(1);
    expect(last).toMatch(/^1 passed, 3 failed, \d skipped$/);
    const stray = "it('is', async () => { void Promise.reject(new Error('stray')); });";
    expect(run({ 'e.test.ts': stray })).toEqual({ status: 1, last: '1 passed, 1 failed' });
  });

  it('goes to the launcher when it asks', () => {
    const path = join(root, 'counts.json');
    run({ 'a.test.ts': PASSING }, { SLUICE_COUNTS: path });
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ passed: 1, failed: 0, skipped: 1 });
  });
});
