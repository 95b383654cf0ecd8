/**
 * The C programs, built once for a test file, or the printed reason why its tests are skipped: a
 * machine without a compiler is a supported one, but nobody should take the skip for a pass.
 */
import { build, type ProgramName, type Programs } from '../../../native-bench/compiler.ts';

export async function compile(...names: ProgramName[]): Promise<Programs | undefined> {
  const built = await build(process.env, names);
  if ('programs' in built) return built.programs;
  process.stderr.write(`native-bench: ${names.join(', ')}: not tested: ${built.missing}\n`);
  return undefined;
}

/** Inside tests that do not run without them. */
export function pathOf(programs: Programs | undefined, name: ProgramName): string {
  if (programs === undefined) throw new Error('the C programs were not built');
  return programs.pathOf(name);
}
