/*
 * Request heads and small answers: enough HTTP and S3 for the load generator (create a bucket,
 * create an upload, put a part or an object, complete an upload). The head's own signature is
 * the seed of the chunk chain and is not verified: this is a ceiling, not a product.
 */
#include "pipeline.h"
#include <ctype.h>
#include <sys/socket.h>

typedef struct {
  char *method;
  char *target;
  uint64_t length;
  uint64_t decoded;
  char *payload;
  char *authorization;
  char *date;
  char *trailer;
} head;

static char aws4_secret[128];
static crc_code codes[3];

void heads_prepare(const char *secret) {
  snprintf(aws4_secret, sizeof aws4_secret, "AWS4%s", secret);
  /* HMAC hashes longer keys first; no key of ours is one. */
  if (strlen(aws4_secret) > 64) fail("the secret is too long");
  codes[0] = crc32_code();
  codes[1] = crc32c_code();
  codes[2] = crc64nvme_code();
}

void hex_of(const uint8_t *bytes, size_t length, char *text) {
  static const char digits[] = "0123456789abcdef";
  for (size_t at = 0; at < length; at += 1) {
    text[2 * at] = digits[bytes[at] >> 4];
    text[2 * at + 1] = digits[bytes[at] & 15];
  }
  text[2 * length] = 0;
}

/* Answers are smaller than any socket buffer, and one at a time. */
static void answer(connection *c, const char *status, const char *headers, const char *body) {
  char text[2048];
  int length = snprintf(text, sizeof text, "HTTP/1.1 %s\r\n%scontent-length: %zu\r\n\r\n%s", status,
                        headers, strlen(body), body);
  if (send(c->socket, text, (size_t)length, MSG_NOSIGNAL) != length) c->broken = true;
}

outcome refuse(connection *c, const char *status) {
  answer(c, status, "connection: close\r\n", "");
  return DONE_BROKEN;
}

void answer_part(connection *c) {
  uint8_t digest[16];
  char etag[33];
  char header[64];
  MD5_Final(digest, &c->md5);
  hex_of(digest, 16, etag);
  snprintf(header, sizeof header, "etag: \"%s\"\r\n", etag);
  answer(c, "200 OK", header, "");
}

static bool parse(char *text, head *found) {
  char *line = strtok_r(text, "\r\n", &text);
  char *rest;
  found->method = line == NULL ? NULL : strtok_r(line, " ", &rest);
  found->target = found->method == NULL ? NULL : strtok_r(NULL, " ", &rest);
  if (found->target == NULL) return false;
  while ((line = strtok_r(NULL, "\r\n", &text)) != NULL) {
    char *value = strchr(line, ':');
    if (value == NULL) return false;
    *value = 0;
    value += 1 + strspn(value + 1, " ");
    for (char *letter = line; *letter != 0; letter += 1) *letter = (char)tolower(*letter);
    if (strcmp(line, "content-length") == 0) found->length = strtoull(value, NULL, 10);
    else if (strcmp(line, "x-amz-content-sha256") == 0) found->payload = value;
    else if (strcmp(line, "x-amz-decoded-content-length") == 0) found->decoded = strtoull(value, 0, 10);
    else if (strcmp(line, "authorization") == 0) found->authorization = value;
    else if (strcmp(line, "x-amz-date") == 0) found->date = value;
    else if (strcmp(line, "x-amz-trailer") == 0) found->trailer = value;
  }
  return true;
}

/* The signing key of the credential's day and region, and the first link of the chain. */
static bool begin_chain(connection *c, const head *h) {
  char *credential = h->authorization == NULL ? NULL : strstr(h->authorization, "Credential=");
  char *signature = h->authorization == NULL ? NULL : strstr(h->authorization, "Signature=");
  if (credential == NULL || signature == NULL || h->date == NULL) return false;
  if (strlen(signature + 10) < 64) return false;
  memcpy(c->previous, signature + 10, 64);
  char *scope = strchr(credential, '/');
  if (scope == NULL) return false;
  scope += 1;
  scope[strcspn(scope, ", ")] = 0;
  int length = snprintf(c->scope_prefix, sizeof c->scope_prefix,
                        "AWS4-HMAC-SHA256-PAYLOAD\n%s\n%s\n", h->date, scope);
  if (length >= (int)sizeof c->scope_prefix) return false;
  uint8_t digest[32];
  hmac_prepare(&c->key, (const uint8_t *)aws4_secret, strlen(aws4_secret));
  char *rest;
  for (char *part = strtok_r(scope, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
    hmac_of(&c->key, part, strlen(part), digest);
    hmac_prepare(&c->key, digest, sizeof digest);
  }
  return true;
}

static outcome begin_body(connection *c, const head *h) {
  const char *payload = h->payload == NULL ? "UNSIGNED-PAYLOAD" : h->payload;
  c->signed_chunks = strcmp(payload, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") == 0;
  bool with_trailer = strcmp(payload, "STREAMING-UNSIGNED-PAYLOAD-TRAILER") == 0;
  c->chunked = c->signed_chunks || with_trailer;
  c->signed_payload = !c->chunked && strcmp(payload, "UNSIGNED-PAYLOAD") != 0;
  c->trailer = NULL;
  if (c->signed_payload) {
    if (strlen(payload) != 64) return refuse(c, "400 Unknown Payload");
    memcpy(c->claimed, payload, 65);
  }
  if (c->signed_chunks && !begin_chain(c, h)) return refuse(c, "403 No Seed");
  if (with_trailer) {
    static const char *const names[3] = {"x-amz-checksum-crc32", "x-amz-checksum-crc32c",
                                         "x-amz-checksum-crc64nvme"};
    for (unsigned at = 0; at < 3; at += 1) {
      if (h->trailer != NULL && strcmp(h->trailer, names[at]) == 0) c->trailer = &codes[at];
    }
    if (c->trailer == NULL) return refuse(c, "400 Unknown Trailer");
  }
  c->body_left = c->chunked ? h->decoded : h->length;
  c->piece_left = c->chunked ? 0 : h->length;
  c->phase = c->chunked ? CHUNK_HEAD : PAYLOAD;
  body_begin(c);
  return c->body_left == 0 && !c->chunked ? body_end(c) : DONE_MORE;
}

outcome read_head(connection *c) {
  char text[INBOX_BYTES + 1];
  uint8_t *from = c->inbox + c->inbox_at;
  uint8_t *end = memmem(from, c->inbox_end - c->inbox_at, "\r\n\r\n", 4);
  if (end == NULL) {
    bool endless = c->inbox_end - c->inbox_at == INBOX_BYTES;
    return endless ? refuse(c, "431 Endless Head") : DONE_STARVED;
  }
  memcpy(text, from, (size_t)(end - from));
  text[end - from] = 0;
  c->inbox_at += (size_t)(end - from) + 4;
  head h = {0};
  if (!parse(text, &h)) return refuse(c, "400 Bad Request");
  bool part = strstr(h.target, "?partNumber=") != NULL;
  bool object = strchr(h.target + 1, '/') != NULL && strchr(h.target, '?') == NULL;
  if (strcmp(h.method, "PUT") == 0 && (part || object)) return begin_body(c, &h);
  if (strcmp(h.method, "PUT") == 0 && h.length == 0) {
    answer(c, "200 OK", "", "");
    return DONE_MORE;
  }
  if (strcmp(h.method, "POST") != 0) return refuse(c, "501 Not Implemented");
  if (h.length >= TEXT_BYTES) return refuse(c, "413 Too Large");
  c->piece_left = h.length;
  c->text_length = 0;
  c->text = malloc(h.length + 1);
  if (c->text == NULL) fail("no memory");
  c->phase = TEXT;
  return DONE_MORE;
}

/* The ETag of an upload: MD5 over the MD5s of its parts, as the client listed them. */
static void answer_complete(connection *c) {
  MD5_CTX all;
  uint8_t digest[16];
  char etag[33];
  char body[128];
  unsigned parts = 0;
  MD5_Init(&all);
  for (char *at = c->text; (at = strstr(at, "<ETag>\"")) != NULL; parts += 1) {
    at += 7;
    for (unsigned byte = 0; byte < 16; byte += 1) {
      unsigned value = 0;
      sscanf(at + 2 * byte, "%2x", &value);
      digest[byte] = (uint8_t)value;
    }
    MD5_Update(&all, digest, 16);
  }
  MD5_Final(digest, &all);
  hex_of(digest, 16, etag);
  snprintf(body, sizeof body,
           "<CompleteMultipartUploadResult><ETag>\"%s-%u\"</ETag></CompleteMultipartUploadResult>",
           etag, parts);
  answer(c, "200 OK", "", body);
}

outcome read_text(connection *c) {
  size_t length = c->inbox_end - c->inbox_at;
  if (length > c->piece_left) length = (size_t)c->piece_left;
  memcpy(c->text + c->text_length, c->inbox + c->inbox_at, length);
  c->inbox_at += length;
  c->text_length += length;
  c->piece_left -= length;
  if (c->piece_left > 0) return DONE_STARVED;
  c->text[c->text_length] = 0;
  if (c->text_length > 0) {
    answer_complete(c);
  } else {
    answer(c, "200 OK", "",
           "<InitiateMultipartUploadResult><UploadId>ceiling</UploadId>"
           "</InitiateMultipartUploadResult>");
  }
  free(c->text);
  c->text = NULL;
  c->phase = HEAD;
  return DONE_MORE;
}
