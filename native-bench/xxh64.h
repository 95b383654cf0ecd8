/*
 * xxHash64 with seed 0, the checksum of every 64 KiB of a shard: four independent lanes of 64-bit
 * multiplications, which is as wide as an x86 core multiplies; vectors have no such product.
 */
#ifndef XXH64_H
#define XXH64_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define XXH_P1 0x9e3779b185ebca87u
#define XXH_P2 0xc2b2ae3d27d4eb4fu
#define XXH_P3 0x165667b19e3779f9u
#define XXH_P4 0x85ebca77c2b2ae63u
#define XXH_P5 0x27d4eb2f165667c5u

static inline uint64_t xxh_rotl(uint64_t word, unsigned by) {
  return word << by | word >> (64 - by);
}

static inline uint64_t xxh_load(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

static inline uint64_t xxh_round(uint64_t lane, uint64_t input) {
  return xxh_rotl(lane + input * XXH_P2, 31) * XXH_P1;
}

static inline uint64_t xxh_merge(uint64_t hash, uint64_t lane) {
  return (hash ^ xxh_round(0, lane)) * XXH_P1 + XXH_P4;
}

static inline uint64_t xxh64(const uint8_t *bytes, size_t length) {
  const uint8_t *end = bytes + length;
  uint64_t hash = XXH_P5;
  if (length >= 32) {
    uint64_t a = XXH_P1 + XXH_P2, b = XXH_P2, c = 0, d = 0 - XXH_P1;
    for (; end - bytes >= 32; bytes += 32) {
      a = xxh_round(a, xxh_load(bytes));
      b = xxh_round(b, xxh_load(bytes + 8));
      c = xxh_round(c, xxh_load(bytes + 16));
      d = xxh_round(d, xxh_load(bytes + 24));
    }
    hash = xxh_rotl(a, 1) + xxh_rotl(b, 7) + xxh_rotl(c, 12) + xxh_rotl(d, 18);
    hash = xxh_merge(xxh_merge(xxh_merge(xxh_merge(hash, a), b), c), d);
  }
  hash += length;
  for (; end - bytes >= 8; bytes += 8) {
    hash = xxh_rotl(hash ^ xxh_round(0, xxh_load(bytes)), 27) * XXH_P1 + XXH_P4;
  }
  if (end - bytes >= 4) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    hash = xxh_rotl(hash ^ word * XXH_P1, 23) * XXH_P2 + XXH_P3;
    bytes += 4;
  }
  for (; bytes < end; bytes += 1) hash = xxh_rotl(hash ^ *bytes * XXH_P5, 11) * XXH_P1;
  hash = (hash ^ hash >> 33) * XXH_P2;
  hash = (hash ^ hash >> 29) * XXH_P3;
  return hash ^ hash >> 32;
}
#endif
