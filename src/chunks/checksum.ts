/** xxHash64 of ordinary memory: headers and checksum tables. Arena spans use the kernels. */
import xxhash from 'xxhash-wasm';

const { h64Raw } = await xxhash();

export function checksumOf(bytes: Uint8Array, seed = 0n): bigint {
  return h64Raw(bytes, seed);
}
