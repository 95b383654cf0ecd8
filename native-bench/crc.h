/*
 * CRC-32, CRC-32C and CRC-64/NVME by carry-less multiply: four sums are folded forward step by
 * step, then into one, and its sixteen bytes and the tail go through a byte table. Sums have 128
 * bits (PCLMULQDQ), or 256 where the processor multiplies two halves at once (VPCLMULQDQ).
 * One code for all three: the folding constants are powers of x computed from the polynomial.
 */
#ifndef CRC_H
#define CRC_H
#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint64_t polynomial;
  unsigned width;
  uint64_t table[256];
  /* x^(distance + 63) and x^(distance - 1), reflected; distances of 1024, 512 and 128 bits. */
  uint64_t by128[2];
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
  code.by128[0] = crc_power(&code, 1024 + 63);
  code.by128[1] = crc_power(&code, 1024 - 1);
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

/* The sixteen bytes that stand for `steps` times 64 bytes and the state before them. */
__attribute__((target("pclmul"))) static __m128i crc_narrow(const crc_code *code, uint64_t state,
                                                            const uint8_t *bytes, size_t steps) {
  const __m128i *from = (const __m128i *)bytes;
  __m128i by64 = _mm_loadu_si128((const __m128i *)code->by64);
  __m128i by16 = _mm_loadu_si128((const __m128i *)code->by16);
  __m128i s0 = _mm_xor_si128(_mm_loadu_si128(from), _mm_cvtsi64_si128((long long)state));
  __m128i s1 = _mm_loadu_si128(from + 1);
  __m128i s2 = _mm_loadu_si128(from + 2);
  __m128i s3 = _mm_loadu_si128(from + 3);
  for (size_t step = 1; step < steps; step += 1) {
    from += 4;
    s0 = crc_fold(s0, by64, _mm_loadu_si128(from));
    s1 = crc_fold(s1, by64, _mm_loadu_si128(from + 1));
    s2 = crc_fold(s2, by64, _mm_loadu_si128(from + 2));
    s3 = crc_fold(s3, by64, _mm_loadu_si128(from + 3));
  }
  s1 = crc_fold(s0, by16, s1);
  s2 = crc_fold(s1, by16, s2);
  return crc_fold(s2, by16, s3);
}

__attribute__((target("avx2,vpclmulqdq"), always_inline)) static inline __m256i crc_fold_two(
    __m256i sum, __m256i powers, const __m256i *from) {
  __m256i low = _mm256_clmulepi64_epi128(sum, powers, 0x00);
  __m256i high = _mm256_clmulepi64_epi128(sum, powers, 0x11);
  return _mm256_xor_si256(_mm256_xor_si256(low, high), _mm256_loadu_si256(from));
}

/* As crc_narrow, in steps of 128 bytes. */
__attribute__((target("avx2,pclmul,vpclmulqdq"))) static __m128i crc_wide(const crc_code *code,
                                                                          uint64_t state,
                                                                          const uint8_t *bytes,
                                                                          size_t steps) {
  const __m256i *from = (const __m256i *)bytes;
  __m256i powers = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)code->by128));
  __m128i by16 = _mm_loadu_si128((const __m128i *)code->by16);
  __m256i before = _mm256_set_epi64x(0, 0, 0, (long long)state);
  __m256i s0 = _mm256_xor_si256(_mm256_loadu_si256(from), before);
  __m256i s1 = _mm256_loadu_si256(from + 1);
  __m256i s2 = _mm256_loadu_si256(from + 2);
  __m256i s3 = _mm256_loadu_si256(from + 3);
  for (size_t step = 1; step < steps; step += 1) {
    from += 4;
    s0 = crc_fold_two(s0, powers, from);
    s1 = crc_fold_two(s1, powers, from + 1);
    s2 = crc_fold_two(s2, powers, from + 2);
    s3 = crc_fold_two(s3, powers, from + 3);
  }
  __m256i sums[4] = {s0, s1, s2, s3};
  __m128i sum = _mm256_castsi256_si128(s0);
  for (unsigned half = 1; half < 8; half += 1) {
    __m256i both = sums[half / 2];
    __m128i next = half % 2 ? _mm256_extracti128_si256(both, 1) : _mm256_castsi256_si128(both);
    sum = crc_fold(sum, by16, next);
  }
  return sum;
}

/* `crc` is what the bytes before came to, 0 for none. */
__attribute__((target("pclmul"))) static uint64_t crc_update_by(const crc_code *code, uint64_t crc,
                                                                const uint8_t *bytes,
                                                                size_t length, bool wide) {
  uint64_t mask = ~(uint64_t)0 >> (64 - code->width);
  uint64_t state = crc ^ mask;
  size_t step_bytes = wide ? 128 : 64;
  if (length >= step_bytes) {
    size_t steps = length / step_bytes;
    uint8_t rest[16];
    __m128i sum = wide ? crc_wide(code, state, bytes, steps) : crc_narrow(code, state, bytes, steps);
    _mm_storeu_si128((__m128i *)rest, sum);
    state = crc_bytes(code, 0, rest, 16);
    bytes += steps * step_bytes;
    length -= steps * step_bytes;
  }
  return crc_bytes(code, state, bytes, length) ^ mask;
}

static uint64_t crc_update(const crc_code *code, uint64_t crc, const uint8_t *bytes,
                           size_t length) {
  bool wide = __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx2");
  return crc_update_by(code, crc, bytes, length, wide);
}
#endif
