/*
 * Ceilings of redundancy: XOR of two columns and Reed-Solomon of 3+2, 6+3 and 10+4 with AVX2
 * nibble tables, one coefficient with SSSE3, and memcpy. Bytes are bytes of data, not of parity.
 * Each is compared with products bit by bit before anything is timed.
 */
#include "measure.h"
#include "gf256.h"
#include "twins.h"

#define DATA_MAX 10
#define PARITY_MAX 4

static uint8_t *data[DATA_MAX];
static uint8_t *parity[PARITY_MAX];
static gf_table tables[PARITY_MAX * DATA_MAX];
static uint8_t coefficients[PARITY_MAX * DATA_MAX];
static gf_table one_table;

static void prepare(unsigned columns, unsigned parities) {
  for (unsigned row = 0; row < parities; row += 1) {
    for (unsigned column = 0; column < columns; column += 1) {
      coefficients[row * columns + column] = gf_cauchy(columns, row, column);
      tables[row * columns + column] = gf_table_of(coefficients[row * columns + column]);
    }
  }
}

static void encode(unsigned columns, unsigned parities, size_t length) {
  const uint8_t *const *from = (const uint8_t *const *)data;
  if (parities == 2) rs_encode_2(tables, columns, from, parity, length);
  else if (parities == 3) rs_encode_3(tables, columns, from, parity, length);
  else if (parities == 4) rs_encode_4(tables, columns, from, parity, length);
  else rs_encode_1(tables, columns, from, parity, length);
}

/* Tables are a few hundred bytes: made anew each time, they cost nothing against a block. */
static unsigned prepared;

static void run_code(unsigned columns, unsigned parities) {
  if (prepared != columns) prepare(columns, parities);
  prepared = columns;
  encode(columns, parities, BLOCK_BYTES);
}

static void run_xor(void) { xor_2(parity[0], data[0], data[1], BLOCK_BYTES); }
static void run_rs_3_2(void) { run_code(3, 2); }
static void run_rs_6_3(void) { run_code(6, 3); }
static void run_rs_10_4(void) { run_code(10, 4); }
static void run_gf_add(void) { gf_add_ssse3(&one_table, parity[0], data[0], BLOCK_BYTES); }
static void run_memcpy(void) {
  memcpy(parity[0], data[0], BLOCK_BYTES);
  __asm__ volatile("" ::: "memory");
}

static void check_code(unsigned columns, unsigned parities) {
  prepare(columns, parities);
  encode(columns, parities, 4096);
  for (unsigned row = 0; row < parities; row += 1) {
    for (size_t at = 0; at < 4096; at += 1) {
      uint8_t sum = 0;
      for (unsigned column = 0; column < columns; column += 1) {
        sum ^= twin_gf(coefficients[row * columns + column], data[column][at]);
      }
      verify(sum == parity[row][at], "Reed-Solomon");
    }
  }
}

static void check_columns(void) {
  xor_2(parity[0], data[0], data[1], 4096);
  for (size_t at = 0; at < 4096; at += 1) {
    verify(parity[0][at] == (data[0][at] ^ data[1][at]), "XOR");
  }
  for (unsigned coefficient = 0; coefficient < 256; coefficient += 1) {
    gf_table table = gf_table_of((uint8_t)coefficient);
    memset(parity[1], 0x5a, 256);
    gf_add_ssse3(&table, parity[1], data[2], 256);
    for (size_t at = 0; at < 256; at += 1) {
      uint8_t slow = 0x5a ^ twin_gf((uint8_t)coefficient, data[2][at]);
      verify(parity[1][at] == slow, "a product");
    }
  }
  /* The generator must be the one of Sluice: ones first, then what 1/(x+y) gives. */
  for (unsigned column = 0; column < DATA_MAX; column += 1) {
    verify(gf_cauchy(DATA_MAX, 0, column) == 1, "the first parity is a plain XOR");
  }
}

int main(int count, char **words) {
  options asked = parse_options(count, words);
  for (unsigned at = 0; at < DATA_MAX; at += 1) data[at] = filled(BLOCK_BYTES, at + 1);
  for (unsigned at = 0; at < PARITY_MAX; at += 1) parity[at] = filled(BLOCK_BYTES, at + 50);
  one_table = gf_table_of(0x8e);
  bool avx2 = __builtin_cpu_supports("avx2");
  bool ssse3 = __builtin_cpu_supports("ssse3");
  if (!avx2 || !ssse3) fail("the codes need AVX2");
  check_columns();
  check_code(2, 1);
  check_code(3, 2);
  check_code(6, 3);
  check_code(10, 4);
  const kernel kernels[] = {
      {"xor-2-1", 2 * BLOCK_BYTES, avx2, run_xor},
      {"rs-3-2", 3 * BLOCK_BYTES, avx2, run_rs_3_2},
      {"rs-6-3", 6 * BLOCK_BYTES, avx2, run_rs_6_3},
      {"rs-10-4", 10 * BLOCK_BYTES, avx2, run_rs_10_4},
      {"gf-mul-add", BLOCK_BYTES, ssse3, run_gf_add},
      {"memcpy", BLOCK_BYTES, true, run_memcpy},
  };
  if (!asked.check) time_kernels(kernels, sizeof kernels / sizeof kernels[0], &asked);
  return 0;
}
