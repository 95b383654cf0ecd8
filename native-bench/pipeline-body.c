/*
 * A body's bytes, a block at a time, while they are in cache: SHA-256 of signed chunks and the
 * trailer's CRC as they come; for each full block the XOR parity, a checksum per 64 KiB and the
 * write. Cells are 1 MiB: column 0, column 1, parity. Then the block waits for its MD5.
 */
#include "pipeline.h"
#include "gf256.h"

void body_begin(connection *c) {
  if (c->blocks == NULL) {
    c->blocks = aligned_alloc(UNIT_BYTES, BLOCKS * BLOCK_BYTES);
    c->parity = aligned_alloc(UNIT_BYTES, CELL_BYTES);
    if (c->blocks == NULL || c->parity == NULL) fail("no memory");
  }
  c->fill = 0;
  c->position = 0;
  c->crc = 0;
  c->last_chunk = false;
  SHA256_Init(&c->hash);
  md5_begin(c);
  disk_create(c);
}

static uint8_t *present_block(connection *c) {
  /* Written by the owner alone. */
  return c->blocks + (c->last % BLOCKS) * BLOCK_BYTES;
}

uint8_t *body_room(connection *c, size_t *room) {
  *room = BLOCK_BYTES - c->fill;
  if (*room > c->piece_left) *room = (size_t)c->piece_left;
  return present_block(c) + c->fill;
}

static void finish_block(connection *c) {
  uint8_t *block = present_block(c);
  size_t length = c->fill;
  size_t padded = (length + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
  memset(block + length, 0, padded - length);
  uint64_t in_stripe = c->position % (2 * CELL_BYTES);
  unsigned column = in_stripe < CELL_BYTES ? 0 : 1;
  uint8_t *parity = c->parity + in_stripe % CELL_BYTES;
  if (column == 0) memcpy(parity, block, padded);
  else xor_2(parity, parity, block, padded);
  disk_write(c, column, block, length);
  c->position += length;
  bool stripe_over = in_stripe + length == 2 * CELL_BYTES || c->body_left == 0;
  if (stripe_over) {
    size_t cell = column == 0 ? (size_t)in_stripe + length : CELL_BYTES;
    disk_write(c, 2, c->parity, cell);
  }
  c->fill = 0;
  md5_push(c, length);
}

void body_accept(connection *c, size_t length) {
  const uint8_t *bytes = present_block(c) + c->fill;
  if (c->signed_chunks || c->signed_payload) SHA256_Update(&c->hash, bytes, length);
  if (c->trailer != NULL) c->crc = crc_update(c->trailer, c->crc, bytes, length);
  c->fill += length;
  c->piece_left -= length;
  c->body_left -= length;
  if (c->fill == BLOCK_BYTES || (c->body_left == 0 && c->fill > 0)) finish_block(c);
}

outcome body_end(connection *c) {
  if (c->body_left != 0) return refuse(c, "400 Incomplete Body");
  if (c->signed_payload) {
    uint8_t digest[32];
    char text[65];
    SHA256_Final(digest, &c->hash);
    hex_of(digest, 32, text);
    if (memcmp(text, c->claimed, 64) != 0) return refuse(c, "400 Wrong Payload Hash");
  }
  md5_end(c);
  disk_seal(c);
  c->phase = SETTLING;
  return DONE_MORE;
}
