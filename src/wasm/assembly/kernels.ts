// What the module exports. Every kernel takes byte offsets into the imported, shared memory and
// trusts them: kernels.ts on the other side checks each span before it calls.
import { prepareCrcs } from './crc';
import { prepareGf } from './gf256';
import { prepareMd5 } from './md5';

export { crc32, crc32c, crc64nvme } from './crc';
export { gfMul, gfMulAdd } from './gf256';
export { md5, md5x4 } from './md5';
export { copy, xorInto, zero } from './memory';
export { xxh64, xxh64Blocks } from './xxh64';

export function prepareTables(): void {
  prepareGf();
  prepareCrcs();
  prepareMd5();
}
