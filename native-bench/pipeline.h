/*
 * The whole pipeline in C: what its parts know of each other. A connection belongs to one worker,
 * which receives, verifies, encodes and writes; the MD5 of its blocks is advanced by any worker,
 * eight connections in lock-step; datanode threads make files durable.
 *
 * Fields under "md5" are held by md5_lock (see pipeline-md5.c), all others by the owning worker.
 */
#ifndef PIPELINE_H
#define PIPELINE_H
#include "measure.h"
#include "crc.h"
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>

/* Memory is bounded: so many connections, each with so many blocks and one parity cell. */
#define CONNECTIONS_MAX 128
#define WORKERS_MAX 64
#define BLOCKS 4
#define CELL_BYTES MIB
#define UNIT_BYTES 4096
#define CHECK_BYTES (64 * KIB)
#define COLUMNS 3
#define INBOX_BYTES (16 * KIB)
#define TEXT_BYTES MIB

typedef enum { HEAD, TEXT, CHUNK_HEAD, PAYLOAD, CHUNK_END, TRAILER, SETTLING } phase;
typedef enum { DONE_MORE, DONE_STARVED, DONE_PAUSED, DONE_BROKEN } outcome;

/* HMAC with the key's two blocks hashed once. */
typedef struct {
  SHA256_CTX inner;
  SHA256_CTX outer;
} hmac_key;

typedef struct worker {
  int poll;
  int kick;
  pthread_t thread;
  _Atomic unsigned count;
  struct connection *connections[CONNECTIONS_MAX];
} worker;

typedef struct job {
  struct connection *owner;
  int file;
  struct job *next;
} job;

typedef struct connection {
  int socket;
  worker *owner;
  phase phase;
  bool readable;
  /* Bytes that are no payload, and the little payload that came with them. */
  uint8_t inbox[INBOX_BYTES];
  size_t inbox_at;
  size_t inbox_end;

  /* of the request */
  bool chunked;
  bool signed_chunks;
  bool signed_payload;
  bool last_chunk;
  const crc_code *trailer;
  uint64_t crc;
  uint64_t body_left;
  uint64_t piece_left;
  char scope_prefix[128];
  char previous[65];
  char claimed[65];
  SHA256_CTX hash;
  hmac_key key;
  char *text;
  size_t text_length;

  /* of the blob that is being written */
  uint8_t *blocks;
  size_t fill;
  uint64_t position;
  uint8_t *parity;
  int files[COLUMNS];
  uint64_t column_bytes[COLUMNS];
  uint64_t *sums[COLUMNS];
  size_t sum_count[COLUMNS];
  size_t sum_room;
  job jobs[COLUMNS];
  _Atomic unsigned unsynced;

  /* md5 */
  bool in_body;
  bool busy;
  bool paused;
  bool broken;
  unsigned first;
  unsigned last;
  size_t lengths[BLOCKS];
  size_t md5_at;
  MD5_CTX md5;
} connection;

/* pipeline.c */
void kick(worker *owner);

/* pipeline-head.c */
void heads_prepare(const char *secret);
outcome read_head(connection *c);
outcome read_text(connection *c);
outcome refuse(connection *c, const char *status);
void answer_part(connection *c);
void hex_of(const uint8_t *bytes, size_t length, char *text);

/* pipeline-chunk.c */
void hmac_prepare(hmac_key *key, const uint8_t *secret, size_t length);
void hmac_of(const hmac_key *key, const void *bytes, size_t length, uint8_t digest[32]);
outcome read_chunk_head(connection *c);
outcome read_chunk_end(connection *c);
outcome read_trailer(connection *c);

/* pipeline-body.c */
void body_begin(connection *c);
/* `length` bytes stand behind what the present block holds already. */
void body_accept(connection *c, size_t length);
outcome body_end(connection *c);
uint8_t *body_room(connection *c, size_t *room);

/* pipeline-md5.c */
void md5_join(connection *c);
bool md5_leave(connection *c);
void md5_begin(connection *c);
void md5_push(connection *c, size_t length);
void md5_end(connection *c);
/* Whether there is a free block to fill; if not, the connection is paused until one is. */
bool md5_has_room(connection *c);
/* Whether all is hashed; if not, the connection is paused until it is. */
bool md5_is_settled(connection *c);
bool md5_step(worker *self, bool force);

/* pipeline-disk.c */
void disks_prepare(const char *const directories[COLUMNS], bool direct);
void disk_create(connection *c);
void disk_write(connection *c, unsigned column, const uint8_t *bytes, size_t length);
void disk_seal(connection *c);
void disk_drop(connection *c);
#endif
