/**
 * Finds a C compiler and builds the programs of this folder with it. A machine without one, or
 * without OpenSSL's headers, is no error: then `build` says why in one line, and only our side is
 * measured. Invariant: a `Programs` holds only programs that were built from these sources.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const FLAGS = ['-O3', '-std=gnu11', '-pthread', '-Wall', '-Wextra', '-Werror'];
/** OpenSSL's one-lane MD5 shows its state only through the old names; headers hold spare kernels. */
const WARNINGS = ['-Wno-deprecated-declarations', '-Wno-unused-function'];
const LIBRARIES = ['-lcrypto', '-lm'];
const COMPILERS = ['cc', 'gcc', 'clang'];
const COMPILE_MS = 120_000;

/** Program → its sources. */
const SOURCES = {
  digests: ['digests.c'],
  codes: ['codes.c'],
  loopback: ['loopback.c'],
  files: ['files.c'],
  pipeline: [
    'pipeline.c',
    'pipeline-head.c',
    'pipeline-chunk.c',
    'pipeline-body.c',
    'pipeline-md5.c',
    'pipeline-disk.c',
  ],
} as const;

export type ProgramName = keyof typeof SOURCES;
export const PROGRAMS = Object.keys(SOURCES) as ProgramName[];

export interface Programs {
  /** The compiler's own first line about itself. */
  readonly compiler: string;
  pathOf(name: ProgramName): string;
  remove(): void;
}

export type Built = { readonly programs: Programs } | { readonly missing: string };

/** The folder of the C sources, whether this file runs compiled or not. */
function sourceFolder(): string {
  const here = fileURLToPath(new URL('.', import.meta.url));
  const compiled = join(here, '..', '..', 'native-bench');
  return existsSync(join(here, 'measure.h')) ? here : compiled;
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** CC goes before the usual names, which are looked for on the PATH. */
export function findCompiler(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const chosen = environment['CC'];
  const names = chosen === undefined || chosen === '' ? COMPILERS : [chosen];
  const folders = (environment['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return names
    .flatMap((name) => (name.includes('/') ? [name] : folders.map((folder) => join(folder, name))))
    .find(executable);
}

const run = promisify(execFile);

/** What the compiler complained of, in one line. */
function complaint(error: unknown): string {
  const text = (error as { stderr?: string }).stderr ?? String(error);
  const header = /openssl\/\S+\.h/.exec(text)?.[0];
  if (header !== undefined && /No such file|not found/.test(text)) {
    return `OpenSSL's headers are missing (${header}; on Debian: libssl-dev)`;
  }
  return text.split('\n').find((line) => line.includes('error')) ?? text.slice(0, 200);
}

const isRejected = (one: PromiseSettledResult<unknown>): one is PromiseRejectedResult =>
  one.status === 'rejected';

export async function build(
  environment: NodeJS.ProcessEnv = process.env,
  names: readonly ProgramName[] = PROGRAMS,
): Promise<Built> {
  if (process.arch !== 'x64')
    return { missing: `the C programs are for x86-64, not ${process.arch}` };
  const compiler = findCompiler(environment);
  if (compiler === undefined) return { missing: 'no C compiler on the PATH (on Debian: gcc)' };
  const folder = mkdtempSync(join(tmpdir(), 'sluice-native-'));
  const sources = sourceFolder();
  try {
    const compilations = names.map((name) => {
      const files = SOURCES[name].map((file) => join(sources, file));
      const args = [...FLAGS, ...WARNINGS, '-o', join(folder, name), ...files, ...LIBRARIES];
      return run(compiler, args, { env: environment, timeout: COMPILE_MS });
    });
    // All of them: the folder must not be removed under a compiler that still writes to it.
    const failed = (await Promise.allSettled(compilations)).find(isRejected);
    if (failed !== undefined) throw failed.reason;
    const version = await run(compiler, ['--version'], { env: environment });
    return {
      programs: {
        compiler: version.stdout.split('\n')[0] ?? compiler,
        pathOf: (name) => join(folder, name),
        remove: () => rmSync(folder, { recursive: true, force: true }),
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    return { missing: complaint(error) };
  }
}
