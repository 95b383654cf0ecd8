// xxHash64 with seed 0. Source: https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md

const PRIME_1: u64 = 0x9e3779b185ebca87;
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME_3: u64 = 0x165667b19e3779f9;
const PRIME_4: u64 = 0x85ebca77c2b2ae63;
const PRIME_5: u64 = 0x27d4eb2f165667c5;

// @ts-ignore: decorator
@inline
function round(lane: u64, input: u64): u64 {
  return rotl<u64>(lane + input * PRIME_2, 31) * PRIME_1;
}

// @ts-ignore: decorator
@inline
function merge(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME_1 + PRIME_4;
}

export function xxh64(source: usize, length: usize): u64 {
  const end = source + length;
  let hash: u64 = PRIME_5;
  if (length >= 32) {
    let lane1: u64 = PRIME_1 + PRIME_2;
    let lane2: u64 = PRIME_2;
    let lane3: u64 = 0;
    let lane4: u64 = 0 - PRIME_1;
    do {
      lane1 = round(lane1, load<u64>(source));
      lane2 = round(lane2, load<u64>(source, 8));
      lane3 = round(lane3, load<u64>(source, 16));
      lane4 = round(lane4, load<u64>(source, 24));
      source += 32;
    } while (end - source >= 32);
    hash = rotl<u64>(lane1, 1) + rotl<u64>(lane2, 7) + rotl<u64>(lane3, 12) + rotl<u64>(lane4, 18);
    hash = merge(merge(merge(merge(hash, lane1), lane2), lane3), lane4);
  }
  hash += <u64>length;
  while (end - source >= 8) {
    hash = rotl<u64>(hash ^ round(0, load<u64>(source)), 27) * PRIME_1 + PRIME_4;
    source += 8;
  }
  if (end - source >= 4) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(source) * PRIME_1), 23) * PRIME_2 + PRIME_3;
    source += 4;
  }
  while (source < end) {
    hash = rotl<u64>(hash ^ (<u64>load<u8>(source) * PRIME_5), 11) * PRIME_1;
    source += 1;
  }
  hash = (hash ^ (hash >> 33)) * PRIME_2;
  hash = (hash ^ (hash >> 29)) * PRIME_3;
  return hash ^ (hash >> 32);
}

export function xxh64Blocks(source: usize, length: usize, blockBytes: usize, target: usize): void {
  while (length > 0) {
    const taken = min(length, blockBytes);
    store<u64>(target, xxh64(source, taken));
    source += taken;
    length -= taken;
    target += 8;
  }
}
