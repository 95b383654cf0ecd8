/*
 * MD5 of four streams in SSE2 and of eight in AVX2, in lock-step: one vector holds the same word
 * of every stream. Lanes advance by whole 64-byte blocks; padding is the caller's (OpenSSL).
 * The lengths of all lanes are equal: whoever has less sets the pace.
 */
#ifndef MD5_LANES_H
#define MD5_LANES_H
#include <immintrin.h>
#include <stdint.h>
#include <stddef.h>

typedef uint32_t v4 __attribute__((vector_size(16)));
typedef uint32_t v8 __attribute__((vector_size(32)));

#define MD5_F(b, c, d) (d ^ (b & (c ^ d)))
#define MD5_G(b, c, d) ((c & ~d) + (b & d))
#define MD5_H(b, c, d) (b ^ (c ^ d))
#define MD5_I(b, c, d) (c ^ (b | ~d))
/* Only what needs the step before waits for it; left alone, the compiler sums otherwise. */
#define MD5_KEEP(a) __asm__("" : "+x"(a))
#define MD5_STEP(mix, a, b, c, d, w, s, k) \
  a += w + k;                              \
  MD5_KEEP(a);                             \
  a += mix(b, c, d);                       \
  a = ((a << s) | (a >> (32 - s))) + b;
#define MD5_FOUR(mix, i, j, k, l, s, t, u, v, p, q, r, o) \
  MD5_STEP(mix, a, b, c, d, w[i], s, p)                   \
  MD5_STEP(mix, d, a, b, c, w[j], t, q)                   \
  MD5_STEP(mix, c, d, a, b, w[k], u, r)                   \
  MD5_STEP(mix, b, c, d, a, w[l], v, o)

#define MD5_F4(...) MD5_FOUR(MD5_F, __VA_ARGS__)
#define MD5_G4(...) MD5_FOUR(MD5_G, __VA_ARGS__)
#define MD5_H4(...) MD5_FOUR(MD5_H, __VA_ARGS__)
#define MD5_I4(...) MD5_FOUR(MD5_I, __VA_ARGS__)

#define MD5_BLOCK                                                                             \
  MD5_F4(0, 1, 2, 3, 7, 12, 17, 22, 0xd76aa478u, 0xe8c7b756u, 0x242070dbu, 0xc1bdceeeu)       \
  MD5_F4(4, 5, 6, 7, 7, 12, 17, 22, 0xf57c0fafu, 0x4787c62au, 0xa8304613u, 0xfd469501u)       \
  MD5_F4(8, 9, 10, 11, 7, 12, 17, 22, 0x698098d8u, 0x8b44f7afu, 0xffff5bb1u, 0x895cd7beu)     \
  MD5_F4(12, 13, 14, 15, 7, 12, 17, 22, 0x6b901122u, 0xfd987193u, 0xa679438eu, 0x49b40821u)   \
  MD5_G4(1, 6, 11, 0, 5, 9, 14, 20, 0xf61e2562u, 0xc040b340u, 0x265e5a51u, 0xe9b6c7aau)       \
  MD5_G4(5, 10, 15, 4, 5, 9, 14, 20, 0xd62f105du, 0x02441453u, 0xd8a1e681u, 0xe7d3fbc8u)      \
  MD5_G4(9, 14, 3, 8, 5, 9, 14, 20, 0x21e1cde6u, 0xc33707d6u, 0xf4d50d87u, 0x455a14edu)       \
  MD5_G4(13, 2, 7, 12, 5, 9, 14, 20, 0xa9e3e905u, 0xfcefa3f8u, 0x676f02d9u, 0x8d2a4c8au)      \
  MD5_H4(5, 8, 11, 14, 4, 11, 16, 23, 0xfffa3942u, 0x8771f681u, 0x6d9d6122u, 0xfde5380cu)     \
  MD5_H4(1, 4, 7, 10, 4, 11, 16, 23, 0xa4beea44u, 0x4bdecfa9u, 0xf6bb4b60u, 0xbebfbc70u)      \
  MD5_H4(13, 0, 3, 6, 4, 11, 16, 23, 0x289b7ec6u, 0xeaa127fau, 0xd4ef3085u, 0x04881d05u)      \
  MD5_H4(9, 12, 15, 2, 4, 11, 16, 23, 0xd9d4d039u, 0xe6db99e5u, 0x1fa27cf8u, 0xc4ac5665u)     \
  MD5_I4(0, 7, 14, 5, 6, 10, 15, 21, 0xf4292244u, 0x432aff97u, 0xab9423a7u, 0xfc93a039u)      \
  MD5_I4(12, 3, 10, 1, 6, 10, 15, 21, 0x655b59c3u, 0x8f0ccc92u, 0xffeff47du, 0x85845dd1u)     \
  MD5_I4(8, 15, 6, 13, 6, 10, 15, 21, 0x6fa87e4fu, 0xfe2ce6e0u, 0xa3014314u, 0x4e0811a1u)     \
  MD5_I4(4, 11, 2, 9, 6, 10, 15, 21, 0xf7537e82u, 0xbd3af235u, 0x2ad7d2bbu, 0xeb86d391u)

/* `states[lane]` are the four words of one stream; `length` is a multiple of 64. */
static void md5_lanes_4(uint32_t *const states[4], const uint8_t *const sources[4], size_t length) {
  v4 a, b, c, d, w[16];
  for (unsigned n = 0; n < 4; n += 1) {
    a[n] = states[n][0];
    b[n] = states[n][1];
    c[n] = states[n][2];
    d[n] = states[n][3];
  }
  for (size_t at = 0; at < length; at += 64) {
    for (unsigned row = 0; row < 4; row += 1) {
      __m128i r[4];
      for (unsigned n = 0; n < 4; n += 1) {
        r[n] = _mm_loadu_si128((const __m128i *)(sources[n] + at + 16 * row));
      }
      __m128i low01 = _mm_unpacklo_epi32(r[0], r[1]), low23 = _mm_unpacklo_epi32(r[2], r[3]);
      __m128i high01 = _mm_unpackhi_epi32(r[0], r[1]), high23 = _mm_unpackhi_epi32(r[2], r[3]);
      w[4 * row] = (v4)_mm_unpacklo_epi64(low01, low23);
      w[4 * row + 1] = (v4)_mm_unpackhi_epi64(low01, low23);
      w[4 * row + 2] = (v4)_mm_unpacklo_epi64(high01, high23);
      w[4 * row + 3] = (v4)_mm_unpackhi_epi64(high01, high23);
    }
    v4 a0 = a, b0 = b, c0 = c, d0 = d;
    MD5_BLOCK
    a += a0;
    b += b0;
    c += c0;
    d += d0;
  }
  for (unsigned n = 0; n < 4; n += 1) {
    states[n][0] = a[n];
    states[n][1] = b[n];
    states[n][2] = c[n];
    states[n][3] = d[n];
  }
}

/* Eight words of each of eight streams, turned by ninety degrees. */
__attribute__((target("avx2"), always_inline)) static inline void md5_turn_8(
    const uint8_t *const sources[8], size_t at, v8 *w) {
  __m256i r[8], t[8], u[8];
  for (unsigned n = 0; n < 8; n += 1) r[n] = _mm256_loadu_si256((const __m256i *)(sources[n] + at));
  for (unsigned n = 0; n < 8; n += 2) {
    t[n] = _mm256_unpacklo_epi32(r[n], r[n + 1]);
    t[n + 1] = _mm256_unpackhi_epi32(r[n], r[n + 1]);
  }
  for (unsigned n = 0; n < 8; n += 4) {
    u[n] = _mm256_unpacklo_epi64(t[n], t[n + 2]);
    u[n + 1] = _mm256_unpackhi_epi64(t[n], t[n + 2]);
    u[n + 2] = _mm256_unpacklo_epi64(t[n + 1], t[n + 3]);
    u[n + 3] = _mm256_unpackhi_epi64(t[n + 1], t[n + 3]);
  }
  for (unsigned n = 0; n < 4; n += 1) {
    w[n] = (v8)_mm256_permute2x128_si256(u[n], u[n + 4], 0x20);
    w[n + 4] = (v8)_mm256_permute2x128_si256(u[n], u[n + 4], 0x31);
  }
}

__attribute__((target("avx2"))) static void md5_lanes_8(uint32_t *const states[8],
                                                        const uint8_t *const sources[8],
                                                        size_t length) {
  v8 a, b, c, d, w[16];
  for (unsigned n = 0; n < 8; n += 1) {
    a[n] = states[n][0];
    b[n] = states[n][1];
    c[n] = states[n][2];
    d[n] = states[n][3];
  }
  for (size_t at = 0; at < length; at += 64) {
    md5_turn_8(sources, at, w);
    md5_turn_8(sources, at + 32, w + 8);
    v8 a0 = a, b0 = b, c0 = c, d0 = d;
    MD5_BLOCK
    a += a0;
    b += b0;
    c += c0;
    d += d0;
  }
  for (unsigned n = 0; n < 8; n += 1) {
    states[n][0] = a[n];
    states[n][1] = b[n];
    states[n][2] = c[n];
    states[n][3] = d[n];
  }
}
#endif
