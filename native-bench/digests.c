/*
 * Ceilings of what is computed over every payload byte: MD5 of one stream (OpenSSL) and of four
 * and eight in lock-step (SSE2, AVX2), SHA-256 (OpenSSL), the three CRCs by carry-less multiply,
 * xxHash64. Each is compared with its plain twin, on many lengths, before anything is timed.
 */
#include "measure.h"
#include "crc.h"
#include "md5-lanes.h"
#include "twins.h"
#include "xxh64.h"
#include <openssl/evp.h>

#define LANES 8

static uint8_t *streams[LANES];
static uint32_t states[LANES][4];
static uint32_t *state_of[LANES];
static EVP_MD_CTX *context;
static crc_code codes[3];
static const char *const CRC_NAMES[3] = {"crc32", "crc32c", "crc64nvme"};
/* What nobody reads could be left out by the compiler. */
static volatile uint64_t sink;

static void openssl(const EVP_MD *algorithm, const uint8_t *bytes, size_t length, uint8_t *digest) {
  bool done = EVP_DigestInit_ex(context, algorithm, NULL) == 1 &&
              EVP_DigestUpdate(context, bytes, length) == 1 &&
              EVP_DigestFinal_ex(context, digest, NULL) == 1;
  if (!done) fail("OpenSSL refused a digest");
}

static void run_openssl(const EVP_MD *algorithm) {
  uint8_t digest[EVP_MAX_MD_SIZE];
  openssl(algorithm, streams[0], BLOCK_BYTES, digest);
  sink = digest[0];
}

static void run_md5(void) { run_openssl(EVP_md5()); }
static void run_sha256(void) { run_openssl(EVP_sha256()); }

static void run_md5_4(void) {
  md5_lanes_4(state_of, (const uint8_t *const *)streams, BLOCK_BYTES);
}

static void run_md5_8(void) {
  md5_lanes_8(state_of, (const uint8_t *const *)streams, BLOCK_BYTES);
}

static void run_crc(unsigned which) {
  sink = crc_update(&codes[which], 0, streams[0], BLOCK_BYTES);
}
static void run_crc32(void) { run_crc(0); }
static void run_crc32c(void) { run_crc(1); }
static void run_crc64nvme(void) { run_crc(2); }

/* As a shard is checked: one hash for each 64 KiB. */
static void run_xxh64(void) {
  for (size_t at = 0; at < BLOCK_BYTES; at += 64 * KIB) sink = xxh64(streams[0] + at, 64 * KIB);
}

static void check_lanes(unsigned lanes, size_t length) {
  for (unsigned lane = 0; lane < lanes; lane += 1) {
    const uint32_t start[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    memcpy(states[lane], start, sizeof start);
  }
  if (lanes == 4) md5_lanes_4(state_of, (const uint8_t *const *)streams, length);
  else md5_lanes_8(state_of, (const uint8_t *const *)streams, length);
  for (unsigned lane = 0; lane < lanes; lane += 1) {
    uint32_t plain[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    for (size_t at = 0; at < length; at += 64) twin_md5_block(plain, streams[lane] + at);
    verify(memcmp(plain, states[lane], sizeof plain) == 0, "MD5 in lanes");
  }
}

static void check_length(size_t length) {
  const uint8_t *bytes = streams[0] + 3;
  uint8_t fast[EVP_MAX_MD_SIZE], plain[32];
  openssl(EVP_md5(), bytes, length, fast);
  twin_md5(bytes, length, plain);
  verify(memcmp(fast, plain, 16) == 0, "MD5");
  openssl(EVP_sha256(), bytes, length, fast);
  twin_sha256(bytes, length, plain);
  verify(memcmp(fast, plain, 32) == 0, "SHA-256");
  verify(xxh64(bytes, length) == twin_xxh64(bytes, length), "xxHash64");
  if (!__builtin_cpu_supports("pclmul")) return;
  for (unsigned which = 0; which < 3; which += 1) {
    const crc_code *code = &codes[which];
    uint64_t slow = twin_crc(code->polynomial, code->width, 0x1234567, bytes, length);
    verify(crc_update(code, 0x1234567, bytes, length) == slow, CRC_NAMES[which]);
    uint64_t narrow = crc_update_by(code, 0x1234567, bytes, length, false);
    verify(narrow == slow, CRC_NAMES[which]);
  }
}

/* The twins themselves against published values: two equal mistakes would pass otherwise. */
static void check_twins(void) {
  const uint8_t *nine = (const uint8_t *)"123456789";
  uint8_t digest[32];
  verify(twin_crc(0xedb88320, 32, 0, nine, 9) == 0xcbf43926, "the value of CRC-32");
  verify(twin_crc(0x82f63b78, 32, 0, nine, 9) == 0xe3069283, "the value of CRC-32C");
  verify(twin_crc(0x9a6c9329ac4bc9b5, 64, 0, nine, 9) == 0xae8b14860a799888, "of CRC-64/NVME");
  verify(twin_xxh64(nine, 0) == 0xef46db3751d8e999, "the value of xxHash64");
  twin_md5(nine, 0, digest);
  verify(digest[0] == 0xd4 && digest[15] == 0x7e, "the value of MD5");
  twin_sha256(nine, 0, digest);
  verify(digest[0] == 0xe3 && digest[31] == 0x55, "the value of SHA-256");
}

int main(int count, char **words) {
  options asked = parse_options(count, words);
  context = EVP_MD_CTX_new();
  codes[0] = crc32_code();
  codes[1] = crc32c_code();
  codes[2] = crc64nvme_code();
  for (unsigned lane = 0; lane < LANES; lane += 1) {
    streams[lane] = filled(BLOCK_BYTES, lane + 1);
    state_of[lane] = states[lane];
  }
  bool avx2 = __builtin_cpu_supports("avx2");
  bool pclmul = __builtin_cpu_supports("pclmul");
  check_twins();
  for (size_t length = 0; length < 300; length += 1) check_length(length);
  check_length(64 * KIB - 5);
  for (size_t length = 64; length <= 4096; length *= 2) {
    check_lanes(4, length);
    if (avx2) check_lanes(8, length);
  }
  const kernel kernels[] = {
      {"md5-1", BLOCK_BYTES, true, run_md5},
      {"md5-4", 4 * BLOCK_BYTES, true, run_md5_4},
      {"md5-8", 8 * BLOCK_BYTES, avx2, run_md5_8},
      {"sha256", BLOCK_BYTES, true, run_sha256},
      {"crc32", BLOCK_BYTES, pclmul, run_crc32},
      {"crc32c", BLOCK_BYTES, pclmul, run_crc32c},
      {"crc64nvme", BLOCK_BYTES, pclmul, run_crc64nvme},
      {"xxh64", BLOCK_BYTES, true, run_xxh64},
  };
  if (!asked.check) time_kernels(kernels, sizeof kernels / sizeof kernels[0], &asked);
  EVP_MD_CTX_free(context);
  return 0;
}
