import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ROOMS } from './support/rooms.ts';
import { importsOf, orphans, RULES, type SourceFile } from './support/tidy.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

function readTree(...folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !path.includes(join('wasm', 'assembly')))
      .map((path) => ({
        path: relative(root, path).replaceAll('\\', '/'),
        text: readFileSync(path, 'utf8'),
      })),
  );
}

const tree = readTree('src', 'workers', 'test', 'perf', 'native-bench');

describe('the tree', () => {
  it.each(Object.entries(RULES))('keeps the rule: %s', (_, rule) => {
    expect(tree.flatMap((file) => rule(file))).toEqual([]);
  });

  it('has no file in src/ that no entry point reaches', () => {
    const sources = tree.filter(({ path }) => /^(src|workers)\/.*\.ts$/.test(path));
    const workers = sources.filter(({ path }) => path.startsWith('workers/'));
    const entries = ['src/main.ts', ...workers.map(({ path }) => path)];
    const ambient = (path: string): boolean => path.endsWith('.d.ts');
    expect(orphans(sources, entries).filter((path) => !ambient(path))).toEqual([]);
  });
});

/** One file that breaks exactly the named rule, and one beside it that does not. */
const SAMPLES: Readonly<Record<string, { bad: SourceFile[]; good: SourceFile[] }>> = {
  layers: {
    bad: [
      { path: 'src/base/x.ts', text: "import { Arena } from '../memory/arena.ts';" },
      { path: 'src/objects/x.ts', text: "import { openBodies } from '../body/stream-body.ts';" },
      { path: 'src/objects/x.ts', text: "import { openLmdb } from '../meta/lmdb-meta-store.ts';" },
      { path: 'src/s3/operations/x.ts', text: "import type { A } from '../../http/a.ts';" },
      { path: 'src/body/x.ts', text: "export { main } from '../main.ts';" },
      { path: 'src/extras/x.ts', text: '' },
    ],
    good: [
      { path: 'src/objects/x.ts', text: "import type { Body } from '../body/body.ts';" },
      { path: 'src/s3/operations/x.ts', text: "import { xml } from '../xml.ts';" },
      { path: 'src/main.ts', text: "import { startServer } from './http/server.ts';" },
    ],
  },
  fences: {
    bad: [
      { path: 'src/s3/x.ts', text: "import uws from 'uWebSockets.js';" },
      { path: 'src/meta/keyspace.ts', text: "import { open } from 'lmdb';" },
      { path: 'src/body/x.ts', text: "const { Worker } = await import('node:worker_threads');" },
      { path: 'src/objects/x.ts', text: "import {\n  readFileSync,\n} from 'node:fs';" },
    ],
    good: [
      { path: 'src/http/x.ts', text: "import uws from 'uWebSockets.js';" },
      { path: 'src/meta/lmdb-meta-store.ts', text: "import { open } from 'lmdb';" },
      { path: 'test/x.ts', text: "import { open } from 'lmdb';" },
    ],
  },
  header: {
    bad: [
      { path: 'src/base/x.ts', text: 'export const x = 1;' },
      { path: 'src/base/x.ts', text: '/** Things. */\n' },
    ],
    good: [{ path: 'src/base/x.ts', text: '/** Owns the answer and refuses every question. */\n' }],
  },
  length: {
    bad: [{ path: 'src/base/x.ts', text: 'x;\n'.repeat(401) }],
    good: [{ path: 'src/base/x.ts', text: 'x;\n'.repeat(400) }],
  },
  columns: {
    bad: [{ path: 'src/base/x.ts', text: `// ${'why '.repeat(30)}` }],
    good: [{ path: 'src/base/x.ts', text: `const message = '${'words '.repeat(20)}';` }],
  },
  unfinished: {
    bad: [{ path: 'src/base/x.ts', text: `// ${'TO'}${'DO'}: later` }],
    good: [{ path: 'src/base/x.ts', text: '// todos los caminos' }],
  },
  names: {
    bad: [
      { path: 'src/base/utils.ts', text: '' },
      { path: 'src/base/index.ts', text: '' },
      { path: 'src/base/someThing.ts', text: '' },
    ],
    good: [{ path: 'workers/digest.worker.ts', text: '' }],
  },
};

describe('the rules', () => {
  it.each(Object.entries(RULES))('%s finds its bad samples and only those', (name, rule) => {
    const { bad, good } = SAMPLES[name] ?? { bad: [], good: [] };
    expect(bad.length).toBeGreaterThan(0);
    for (const file of bad) expect(rule(file), file.text.slice(0, 80)).not.toEqual([]);
    for (const file of good) expect(rule(file), file.text.slice(0, 80)).toEqual([]);
  });

  it('tell types from values in every form of import', () => {
    const text = [
      "import a from 'a';",
      "import type { B } from 'b';",
      "import { type C } from 'c';",
      "import 'd';",
      "export * from 'e';",
      "const f = await import('f');",
    ].join('\n');
    expect(importsOf(text).map(({ target, typeOnly, line }) => [target, typeOnly, line])).toEqual([
      ['a', false, 1],
      ['b', true, 2],
      ['c', false, 3],
      ['d', false, 4],
      ['e', false, 5],
      ['f', false, 6],
    ]);
  });

  it('find orphans', () => {
    const files = [
      { path: 'src/main.ts', text: "import './base/a.ts';" },
      { path: 'src/base/a.ts', text: '' },
      { path: 'src/base/b.ts', text: "import './a.ts';" },
    ];
    expect(orphans(files, ['src/main.ts'])).toEqual(['src/base/b.ts']);
  });
});

describe('the configuration of the linter', () => {
  it('forbids, room by room, what the map does not allow', () => {
    const config = JSON.parse(readFileSync(join(root, '.oxlintrc.json'), 'utf8')) as {
      overrides: { files: string[]; rules: Record<string, unknown> }[];
    };
    for (const [name, room] of Object.entries(ROOMS)) {
      const override = config.overrides.find(({ files }) => files[0] === `src/${name}/**/*.ts`);
      const rule = override?.rules['no-restricted-imports'] as [
        string,
        { patterns: { group: string[]; allowTypeImports?: boolean }[] },
      ];
      const groups = (types: boolean): string[] =>
        rule[1].patterns
          .filter((pattern) => (pattern.allowTypeImports === true) === types)
          .flatMap(({ group }) => group)
          .flatMap((glob) => /^\.\.\/([a-z0-9]+)\/\*\*$/.exec(glob)?.[1] ?? []);
      const types = room.types ?? [];
      const never = Object.keys(ROOMS).filter(
        (other) => other !== name && !room.uses.includes(other) && !types.includes(other),
      );
      expect(groups(false), name).toEqual(never);
      expect(groups(true), name).toEqual(types);
    }
  });
});
