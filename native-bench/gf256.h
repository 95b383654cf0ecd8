/*
 * XOR and Reed-Solomon over GF(2^8) modulo 0x11d with nibble tables: a product is two table
 * look-ups of sixteen entries, and PSHUFB does 16 (SSSE3) or 32 (AVX2) of them at once. All parity
 * columns of a piece stay in registers while the data columns stream past once.
 */
#ifndef GF256_H
#define GF256_H
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* Of one coefficient: products with the 16 low, then with the 16 high nibbles. */
typedef struct {
  uint8_t low[16];
  uint8_t high[16];
} gf_table;

static inline uint8_t gf_product(uint8_t left, uint8_t right) {
  unsigned product = 0;
  unsigned power = left;
  for (; right != 0; right >>= 1) {
    if (right & 1) product ^= power;
    power = power & 0x80 ? (power << 1 ^ 0x11d) & 0xff : power << 1;
  }
  return (uint8_t)product;
}

static inline uint8_t gf_inverse(uint8_t element) {
  uint8_t power = element;
  /* The group has 255 elements: x^254 is 1/x. */
  for (unsigned exponent = 1; exponent < 254; exponent += 1) power = gf_product(power, element);
  return power;
}

static inline gf_table gf_table_of(uint8_t coefficient) {
  gf_table table;
  for (unsigned nibble = 0; nibble < 16; nibble += 1) {
    table.low[nibble] = gf_product(coefficient, (uint8_t)nibble);
    table.high[nibble] = gf_product(coefficient, (uint8_t)(nibble << 4));
  }
  return table;
}

/* The Cauchy matrix of Sluice's codec: first parity row and first data column are ones. */
static inline uint8_t gf_cauchy(unsigned data, unsigned parity, unsigned column) {
  uint8_t row = (uint8_t)(data + parity);
  uint8_t at = gf_product(gf_inverse(row ^ (uint8_t)column), (uint8_t)data ^ (uint8_t)column);
  uint8_t first = gf_product(gf_inverse(row), (uint8_t)data);
  return gf_product(at, gf_inverse(first));
}

__attribute__((target("avx2"))) static void xor_2(uint8_t *target, const uint8_t *left,
                                                  const uint8_t *right, size_t length) {
  for (size_t at = 0; at < length; at += 64) {
    __m256i a = _mm256_loadu_si256((const __m256i *)(left + at));
    __m256i b = _mm256_loadu_si256((const __m256i *)(left + at + 32));
    a = _mm256_xor_si256(a, _mm256_loadu_si256((const __m256i *)(right + at)));
    b = _mm256_xor_si256(b, _mm256_loadu_si256((const __m256i *)(right + at + 32)));
    _mm256_storeu_si256((__m256i *)(target + at), a);
    _mm256_storeu_si256((__m256i *)(target + at + 32), b);
  }
}

/* One loop for every count of parity columns: constant after inlining, sums in registers. */
__attribute__((target("avx2"), always_inline)) static inline void rs_encode(
    const gf_table *tables, unsigned data, const unsigned parity, const uint8_t *const *sources,
    uint8_t *const *targets, size_t length) {
  const __m256i mask = _mm256_set1_epi8(15);
  for (size_t at = 0; at < length; at += 64) {
    __m256i sums[4][2] = {{_mm256_setzero_si256()}};
    for (unsigned column = 0; column < data; column += 1) {
      for (unsigned half = 0; half < 2; half += 1) {
        const __m256i *from = (const __m256i *)(sources[column] + at + 32 * half);
        __m256i bytes = _mm256_loadu_si256(from);
        __m256i low = _mm256_and_si256(bytes, mask);
        __m256i high = _mm256_and_si256(_mm256_srli_epi64(bytes, 4), mask);
        /* The first parity's coefficients are all 1. */
        sums[0][half] = _mm256_xor_si256(sums[0][half], bytes);
        for (unsigned row = 1; row < parity; row += 1) {
          const gf_table *table = &tables[row * data + column];
          __m128i small = _mm_loadu_si128((const __m128i *)table->low);
          __m128i big = _mm_loadu_si128((const __m128i *)table->high);
          __m256i product = _mm256_xor_si256(
              _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(small), low),
              _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(big), high));
          sums[row][half] = _mm256_xor_si256(sums[row][half], product);
        }
      }
    }
    for (unsigned row = 0; row < parity; row += 1) {
      _mm256_storeu_si256((__m256i *)(targets[row] + at), sums[row][0]);
      _mm256_storeu_si256((__m256i *)(targets[row] + at + 32), sums[row][1]);
    }
  }
}

#define RS_OF(parity)                                                                     \
  __attribute__((target("avx2"))) static void rs_encode_##parity(                         \
      const gf_table *tables, unsigned data, const uint8_t *const *sources,               \
      uint8_t *const *targets, size_t length) {                                           \
    rs_encode(tables, data, parity, sources, targets, length);                            \
  }
RS_OF(1)
RS_OF(2)
RS_OF(3)
RS_OF(4)

/* One coefficient added to one column with SSSE3: as wide as WebAssembly's vectors are. */
__attribute__((target("ssse3"))) static void gf_add_ssse3(const gf_table *table, uint8_t *target,
                                                          const uint8_t *source, size_t length) {
  const __m128i mask = _mm_set1_epi8(15);
  const __m128i small = _mm_loadu_si128((const __m128i *)table->low);
  const __m128i big = _mm_loadu_si128((const __m128i *)table->high);
  for (size_t at = 0; at < length; at += 16) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(source + at));
    __m128i low = _mm_shuffle_epi8(small, _mm_and_si128(bytes, mask));
    __m128i high = _mm_shuffle_epi8(big, _mm_and_si128(_mm_srli_epi64(bytes, 4), mask));
    __m128i sum = _mm_loadu_si128((const __m128i *)(target + at));
    sum = _mm_xor_si128(sum, _mm_xor_si128(low, high));
    _mm_storeu_si128((__m128i *)(target + at), sum);
  }
}
#endif
