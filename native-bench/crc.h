/*
 * CRC-32, CRC-32C and CRC-64/NVME by carry-less multiply: four 128-bit sums are folded forward by
 * 64 bytes a step, then into one, and its sixteen bytes and the tail go through a byte table.
 * One code for all three: the folding constants are powers of x computed from the polynomial.
 */
#ifndef CRC_H
#define CRC_H
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint64_t polynomial;
  unsigned width;
  uint64_t table[256];
  /* x^(distance + 63) and x^(distance - 1), reflected, for distances of 512 and 128 bits. */
  uint64_t by64[2];
  uint64_t by16[2];
} crc_code;

static inline uint64_t crc_power(const crc_code *code, unsigned exponent) {
  uint64_t value = (uint64_t)1 << (code->width - 1);
  for (; exponent > 0; exponent -= 1) value = value >> 1 ^ (value & 1 ? code->polynomial : 0);
  return value << (64 - code->width);
}

static inline crc_code crc_prepare(uint64_t polynomial, unsigned width) {
  crc_code code = {.polynomial = polynomial, .width = width};
  for (unsigned byte = 0; byte < 256; byte += 1) {
    uint64_t value = byte;
    for (unsigned bit = 0; bit < 8; bit += 1) value = value >> 1 ^ (value & 1 ? polynomial : 0);
    code.table[byte] = value;
  }
  code.by64[0] = crc_power(&code, 512 + 63);
  code.by64[1] = crc_power(&code, 512 - 1);
  code.by16[0] = crc_power(&code, 128 + 63);
  code.by16[1] = crc_power(&code, 128 - 1);
  return code;
}

static inline crc_code crc32_code(void) { return crc_prepare(0xedb88320, 32); }
static inline crc_code crc32c_code(void) { return crc_prepare(0x82f63b78, 32); }
static inline crc_code crc64nvme_code(void) { return crc_prepare(0x9a6c9329ac4bc9b5, 64); }

static inline uint64_t crc_bytes(const crc_code *code, uint64_t state, const uint8_t *bytes,
                                 size_t length) {
  for (size_t at = 0; at < length; at += 1) {
    state = state >> 8 ^ code->table[(uint8_t)(state ^ bytes[at])];
  }
  return state;
}

__attribute__((target("pclmul"), always_inline)) static inline __m128i crc_fold(__m128i sum,
                                                                                __m128i powers,
                                                                                __m128i next) {
  __m128i low = _mm_clmulepi64_si128(sum, powers, 0x00);
  __m128i high = _mm_clmulepi64_si128(sum, powers, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* `crc` is what the bytes before came to, 0 for none. */
__attribute__((target("pclmul"))) static uint64_t crc_update(const crc_code *code, uint64_t crc,
                                                             const uint8_t *bytes, size_t length) {
  uint64_t mask = ~(uint64_t)0 >> (64 - code->width);
  uint64_t state = crc ^ mask;
  if (length >= 128) {
    const __m128i *from = (const __m128i *)bytes;
    __m128i by64 = _mm_loadu_si128((const __m128i *)code->by64);
    __m128i by16 = _mm_loadu_si128((const __m128i *)code->by16);
    __m128i s0 = _mm_xor_si128(_mm_loadu_si128(from), _mm_cvtsi64_si128((long long)state));
    __m128i s1 = _mm_loadu_si128(from + 1);
    __m128i s2 = _mm_loadu_si128(from + 2);
    __m128i s3 = _mm_loadu_si128(from + 3);
    size_t steps = length / 64;
    for (size_t step = 1; step < steps; step += 1) {
      from += 4;
      s0 = crc_fold(s0, by64, _mm_loadu_si128(from));
      s1 = crc_fold(s1, by64, _mm_loadu_si128(from + 1));
      s2 = crc_fold(s2, by64, _mm_loadu_si128(from + 2));
      s3 = crc_fold(s3, by64, _mm_loadu_si128(from + 3));
    }
    s1 = crc_fold(s0, by16, s1);
    s2 = crc_fold(s1, by16, s2);
    s3 = crc_fold(s2, by16, s3);
    uint8_t rest[16];
    _mm_storeu_si128((__m128i *)rest, s3);
    state = crc_bytes(code, 0, rest, 16);
    bytes += steps * 64;
    length -= steps * 64;
  }
  return crc_bytes(code, state, bytes, length) ^ mask;
}
#endif
