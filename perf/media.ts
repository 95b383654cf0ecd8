/** Where servers keep their data while they are measured: a RAM disk and a disk, by name. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Medium } from './scenario.ts';

const RAM_DISK = '/dev/shm';

/** `names` as on the command line: `ram,disk`. Refuses what this machine does not have. */
export function mediaOf(names: string, disk: string = tmpdir()): readonly Medium[] {
  return names.split(',').map((name) => {
    const directory = name === 'ram' ? RAM_DISK : name === 'disk' ? disk : undefined;
    if (directory === undefined) throw new Error(`medium ${name}: ram or disk`);
    if (!existsSync(directory)) throw new Error(`medium ${name}: no ${directory} here`);
    return { name, directory };
  });
}
