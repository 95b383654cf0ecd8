/*
 * The plain scalar twins: each hash, checksum and product written the way its definition reads,
 * a byte or a bit at a time. Every fast kernel is compared with its twin before it is timed.
 */
#ifndef TWINS_H
#define TWINS_H
#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t twin_rotl(uint32_t word, unsigned by) {
  return (word << by) | (word >> (32 - by));
}

static inline uint32_t twin_rotr(uint32_t word, unsigned by) {
  return (word >> by) | (word << (32 - by));
}

/* The padded last block or two of MD5 and SHA-256. Returns how many bytes it made. */
static inline size_t twin_pad(uint8_t last[128], const uint8_t *rest, size_t length, int big) {
  size_t tail = length % 64;
  size_t padded = tail < 56 ? 64 : 128;
  memset(last, 0, 128);
  memcpy(last, rest, tail);
  last[tail] = 0x80;
  for (unsigned at = 0; at < 8; at += 1) {
    last[padded - 8 + at] = (uint8_t)((uint64_t)length * 8 >> (big ? 56 - 8 * at : 8 * at));
  }
  return padded;
}

/* RFC 1321, step by step. */
static inline void twin_md5_block(uint32_t state[4], const uint8_t *block) {
  static const unsigned shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  for (unsigned step = 0; step < 64; step += 1) {
    unsigned round = step / 16;
    uint32_t mix[4] = {(b & c) | (~b & d), (b & d) | (c & ~d), b ^ c ^ d, c ^ (b | ~d)};
    unsigned word[4] = {step, 5 * step + 1, 3 * step + 5, 7 * step};
    const uint8_t *at = block + word[round] % 16 * 4;
    uint32_t message = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    uint32_t sine = (uint32_t)floor(fabs(sin(step + 1.0)) * 4294967296.0);
    uint32_t sum = a + mix[round] + message + sine;
    a = d;
    d = c;
    c = b;
    b += twin_rotl(sum, shifts[round][step % 4]);
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

static inline void twin_md5(const uint8_t *bytes, size_t length, uint8_t digest[16]) {
  uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  uint8_t last[128];
  size_t whole = length - length % 64;
  for (size_t at = 0; at < whole; at += 64) twin_md5_block(state, bytes + at);
  size_t padded = twin_pad(last, bytes + whole, length, 0);
  for (size_t at = 0; at < padded; at += 64) twin_md5_block(state, last + at);
  for (unsigned at = 0; at < 16; at += 1) digest[at] = (uint8_t)(state[at / 4] >> 8 * (at % 4));
}

/* The first 32 bits of the fractional part of the nth prime's root: FIPS 180-4's constants. */
static inline uint32_t twin_prime_root(unsigned index, int cube) {
  unsigned prime = 1;
  for (unsigned found = 0; found <= index;) {
    prime += 1;
    unsigned divisor = 2;
    while (prime % divisor != 0) divisor += 1;
    if (divisor == prime) found += 1;
  }
  long double root = cube ? cbrtl(prime) : sqrtl(prime);
  return (uint32_t)((root - floorl(root)) * 4294967296.0L);
}

static inline void twin_sha256_block(uint32_t state[8], const uint32_t k[64], const uint8_t *block) {
  uint32_t w[64];
  uint32_t v[8];
  for (unsigned at = 0; at < 16; at += 1, block += 4) {
    w[at] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
  }
  for (unsigned at = 16; at < 64; at += 1) {
    uint32_t x = w[at - 15];
    uint32_t y = w[at - 2];
    uint32_t s0 = twin_rotr(x, 7) ^ twin_rotr(x, 18) ^ (x >> 3);
    uint32_t s1 = twin_rotr(y, 17) ^ twin_rotr(y, 19) ^ (y >> 10);
    w[at] = w[at - 16] + s0 + w[at - 7] + s1;
  }
  memcpy(v, state, sizeof v);
  for (unsigned at = 0; at < 64; at += 1) {
    uint32_t s1 = twin_rotr(v[4], 6) ^ twin_rotr(v[4], 11) ^ twin_rotr(v[4], 25);
    uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
    uint32_t first = v[7] + s1 + choice + k[at] + w[at];
    uint32_t s0 = twin_rotr(v[0], 2) ^ twin_rotr(v[0], 13) ^ twin_rotr(v[0], 22);
    uint32_t second = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
    memmove(v + 1, v, 7 * sizeof v[0]);
    v[4] += first;
    v[0] = first + second;
  }
  for (unsigned at = 0; at < 8; at += 1) state[at] += v[at];
}

static inline void twin_sha256(const uint8_t *bytes, size_t length, uint8_t digest[32]) {
  uint32_t state[8];
  uint32_t k[64];
  uint8_t last[128];
  for (unsigned at = 0; at < 8; at += 1) state[at] = twin_prime_root(at, 0);
  for (unsigned at = 0; at < 64; at += 1) k[at] = twin_prime_root(at, 1);
  size_t whole = length - length % 64;
  for (size_t at = 0; at < whole; at += 64) twin_sha256_block(state, k, bytes + at);
  size_t padded = twin_pad(last, bytes + whole, length, 1);
  for (size_t at = 0; at < padded; at += 64) twin_sha256_block(state, k, last + at);
  for (unsigned at = 0; at < 32; at += 1) digest[at] = (uint8_t)(state[at / 4] >> (24 - 8 * (at % 4)));
}

/* Reflected CRC of `width` bits, a bit at a time; `crc` is what the bytes before came to. */
static inline uint64_t twin_crc(uint64_t polynomial, unsigned width, uint64_t crc,
                                const uint8_t *bytes, size_t length) {
  uint64_t mask = width == 64 ? ~(uint64_t)0 : ((uint64_t)1 << width) - 1;
  uint64_t state = crc ^ mask;
  for (size_t at = 0; at < length; at += 1) {
    state ^= bytes[at];
    for (unsigned bit = 0; bit < 8; bit += 1) state = (state >> 1) ^ (state & 1 ? polynomial : 0);
  }
  return state ^ mask;
}

static const uint64_t TWIN_PRIMES[5] = {0x9e3779b185ebca87, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9,
                                        0x85ebca77c2b2ae63, 0x27d4eb2f165667c5};

static inline uint64_t twin_word(const uint8_t *bytes, unsigned length) {
  uint64_t word = 0;
  for (unsigned at = 0; at < length; at += 1) word |= (uint64_t)bytes[at] << 8 * at;
  return word;
}

static inline uint64_t twin_xxh_round(uint64_t lane, uint64_t input) {
  lane += input * TWIN_PRIMES[1];
  return (lane << 31 | lane >> 33) * TWIN_PRIMES[0];
}

/* xxHash64 with seed 0, as its specification tells it. */
static inline uint64_t twin_xxh64(const uint8_t *bytes, size_t length) {
  const uint64_t *p = TWIN_PRIMES;
  uint64_t lanes[4] = {p[0] + p[1], p[1], 0, 0 - p[0]};
  uint64_t hash = p[4];
  size_t at = 0;
  for (; at + 32 <= length; at += 32) {
    for (unsigned n = 0; n < 4; n += 1) lanes[n] = twin_xxh_round(lanes[n], twin_word(bytes + at + 8 * n, 8));
  }
  if (length >= 32) {
    static const unsigned by[4] = {1, 7, 12, 18};
    hash = 0;
    for (unsigned n = 0; n < 4; n += 1) hash += lanes[n] << by[n] | lanes[n] >> (64 - by[n]);
    for (unsigned n = 0; n < 4; n += 1) hash = (hash ^ twin_xxh_round(0, lanes[n])) * p[0] + p[3];
  }
  hash += length;
  for (; at + 8 <= length; at += 8) {
    hash ^= twin_xxh_round(0, twin_word(bytes + at, 8));
    hash = (hash << 27 | hash >> 37) * p[0] + p[3];
  }
  for (; at + 4 <= length; at += 4) {
    hash ^= twin_word(bytes + at, 4) * p[0];
    hash = (hash << 23 | hash >> 41) * p[1] + p[2];
  }
  for (; at < length; at += 1) {
    hash ^= bytes[at] * p[4];
    hash = (hash << 11 | hash >> 53) * p[0];
  }
  hash = (hash ^ hash >> 33) * p[1];
  hash = (hash ^ hash >> 29) * p[2];
  return hash ^ hash >> 32;
}

/* A product in GF(2^8) modulo 0x11d, by shifts. */
static inline uint8_t twin_gf(uint8_t left, uint8_t right) {
  unsigned product = 0;
  for (unsigned bit = 0, power = left; bit < 8; bit += 1) {
    if (right >> bit & 1) product ^= power;
    power = power << 1 ^ (power & 0x80 ? 0x11d : 0);
  }
  return (uint8_t)product;
}
#endif
