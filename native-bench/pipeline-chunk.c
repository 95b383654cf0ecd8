/*
 * aws-chunked: chunk heads, the chain of chunk signatures (SHA-256 of the chunk, HMAC over it and
 * the signature before), and the unsigned trailer with its checksum. Parses what stands in the
 * inbox; payload goes around it. A link that does not hold ends the request with 403.
 */
#include "pipeline.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

void hmac_prepare(hmac_key *key, const uint8_t *secret, size_t length) {
  uint8_t pad[64] = {0};
  if (length > sizeof pad) fail("a key is longer than a block");
  memcpy(pad, secret, length);
  for (unsigned at = 0; at < sizeof pad; at += 1) pad[at] ^= 0x36;
  SHA256_Init(&key->inner);
  SHA256_Update(&key->inner, pad, sizeof pad);
  for (unsigned at = 0; at < sizeof pad; at += 1) pad[at] ^= 0x36 ^ 0x5c;
  SHA256_Init(&key->outer);
  SHA256_Update(&key->outer, pad, sizeof pad);
}

void hmac_of(const hmac_key *key, const void *bytes, size_t length, uint8_t digest[32]) {
  SHA256_CTX state = key->inner;
  SHA256_Update(&state, bytes, length);
  SHA256_Final(digest, &state);
  state = key->outer;
  SHA256_Update(&state, digest, 32);
  SHA256_Final(digest, &state);
}

/* The line that starts at the inbox's front, without its CRLF; NULL when it is not complete. */
static char *take_line(connection *c, size_t *length) {
  uint8_t *from = c->inbox + c->inbox_at;
  uint8_t *end = memmem(from, c->inbox_end - c->inbox_at, "\r\n", 2);
  if (end == NULL) return NULL;
  *end = 0;
  *length = (size_t)(end - from);
  c->inbox_at += *length + 2;
  return (char *)from;
}

static bool link_holds(connection *c) {
  uint8_t digest[32];
  char hash[65];
  char text[512];
  SHA256_Final(digest, &c->hash);
  SHA256_Init(&c->hash);
  hex_of(digest, 32, hash);
  int length = snprintf(text, sizeof text, "%s%s\n" EMPTY_SHA256 "\n%s", c->scope_prefix,
                        c->previous, hash);
  hmac_of(&c->key, text, (size_t)length, digest);
  hex_of(digest, 32, c->previous);
  return memcmp(c->previous, c->claimed, 64) == 0;
}

outcome read_chunk_head(connection *c) {
  size_t length;
  char *line = take_line(c, &length);
  if (line == NULL) {
    bool endless = c->inbox_end - c->inbox_at > 1024;
    return endless ? refuse(c, "400 Endless Chunk Head") : DONE_STARVED;
  }
  char *rest;
  c->piece_left = strtoull(line, &rest, 16);
  if (rest == line || c->piece_left > c->body_left) return refuse(c, "400 Wrong Chunk Length");
  if (c->signed_chunks) {
    static const char name[] = ";chunk-signature=";
    if (strncmp(rest, name, sizeof name - 1) != 0 || strlen(rest) != sizeof name - 1 + 64) {
      return refuse(c, "403 Chunk Without Signature");
    }
    memcpy(c->claimed, rest + sizeof name - 1, 65);
  } else if (*rest != 0) {
    return refuse(c, "400 Wrong Chunk Head");
  }
  c->last_chunk = c->piece_left == 0;
  if (!c->last_chunk) c->phase = PAYLOAD;
  else if (c->signed_chunks) c->phase = CHUNK_END;
  else c->phase = TRAILER;
  return DONE_MORE;
}

outcome read_chunk_end(connection *c) {
  size_t length;
  if (c->inbox_end - c->inbox_at < 2) return DONE_STARVED;
  char *line = take_line(c, &length);
  if (line == NULL || length != 0) return refuse(c, "400 Wrong Chunk End");
  if (c->signed_chunks && !link_holds(c)) return refuse(c, "403 Wrong Chunk Signature");
  if (c->last_chunk) return body_end(c);
  c->phase = CHUNK_HEAD;
  return DONE_MORE;
}

static void base64_of(const uint8_t *bytes, size_t length, char *text) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t at = 0; at < length; at += 3) {
    uint32_t group = (uint32_t)bytes[at] << 16;
    if (at + 1 < length) group |= (uint32_t)bytes[at + 1] << 8;
    if (at + 2 < length) group |= bytes[at + 2];
    *text++ = digits[group >> 18];
    *text++ = digits[group >> 12 & 63];
    *text++ = at + 1 < length ? digits[group >> 6 & 63] : '=';
    *text++ = at + 2 < length ? digits[group & 63] : '=';
  }
  *text = 0;
}

/* `name:value`, then an empty line. */
outcome read_trailer(connection *c) {
  uint8_t *from = c->inbox + c->inbox_at;
  if (memmem(from, c->inbox_end - c->inbox_at, "\r\n\r\n", 4) == NULL) {
    bool endless = c->inbox_end - c->inbox_at > 4096;
    return endless ? refuse(c, "400 Endless Trailer") : DONE_STARVED;
  }
  size_t length;
  char *line = take_line(c, &length);
  size_t nothing = 1;
  take_line(c, &nothing);
  char *value = line == NULL ? NULL : strchr(line, ':');
  if (value == NULL || nothing != 0) return refuse(c, "400 Wrong Trailer");
  uint8_t bytes[8];
  char text[16];
  unsigned width = c->trailer->width / 8;
  for (unsigned at = 0; at < width; at += 1) bytes[at] = (uint8_t)(c->crc >> 8 * (width - 1 - at));
  base64_of(bytes, width, text);
  if (strcmp(value + 1, text) != 0) return refuse(c, "400 Wrong Checksum");
  return body_end(c);
}
