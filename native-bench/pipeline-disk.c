/*
 * The three datanodes: a directory and a thread each. Workers write (their bytes are in cache);
 * the threads carry out what waits for the disk: fdatasync of sealed files and of the directory,
 * in groups. A shard file is header unit, data, padding, table of checksums, as in Sluice.
 */
#include "pipeline.h"
#include "xxh64.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

typedef struct {
  const char *directory;
  int folder;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t filled;
  job *first;
} datanode;

static datanode datanodes[COLUMNS];
static _Atomic unsigned next_blob;
/* O_DIRECT while the file system takes it: everything here is aligned to units anyway. */
static _Atomic int direct_flag;

static void *sync_files(void *argument) {
  datanode *self = argument;
  for (;;) {
    pthread_mutex_lock(&self->lock);
    while (self->first == NULL) pthread_cond_wait(&self->filled, &self->lock);
    job *group = self->first;
    self->first = NULL;
    pthread_mutex_unlock(&self->lock);
    for (job *one = group; one != NULL; one = one->next) {
      if (fdatasync(one->file) != 0) fail("fdatasync failed");
      close(one->file);
    }
    if (fsync(self->folder) != 0) fail("fsync of a directory failed");
    while (group != NULL) {
      job *one = group;
      /* The job may be used again as soon as its owner hears of it. */
      group = one->next;
      worker *owner = one->owner->owner;
      if (atomic_fetch_sub(&one->owner->unsynced, 1) == 1) kick(owner);
    }
  }
  return NULL;
}

void disks_prepare(const char *const directories[COLUMNS], bool direct) {
  atomic_store(&direct_flag, direct ? O_DIRECT : 0);
  for (unsigned column = 0; column < COLUMNS; column += 1) {
    datanode *one = &datanodes[column];
    one->directory = directories[column];
    one->folder = open(directories[column], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (one->folder < 0) fail("a directory cannot be opened");
    pthread_mutex_init(&one->lock, NULL);
    pthread_cond_init(&one->filled, NULL);
    pthread_create(&one->thread, NULL, sync_files, one);
  }
}

void disk_create(connection *c) {
  char name[64];
  unsigned blob = atomic_fetch_add(&next_blob, 1);
  for (unsigned column = 0; column < COLUMNS; column += 1) {
    snprintf(name, sizeof name, "%08x.%u", blob, column);
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    c->files[column] = openat(datanodes[column].folder, name, flags | direct_flag, 0600);
    if (c->files[column] < 0 && errno == EINVAL && direct_flag != 0) {
      /* Linux makes the file before it refuses the flag. */
      fprintf(stderr, "pipeline: O_DIRECT is refused: through the page cache\n");
      atomic_store(&direct_flag, 0);
      unlinkat(datanodes[column].folder, name, 0);
      c->files[column] = openat(datanodes[column].folder, name, flags, 0600);
    }
    if (c->files[column] < 0) fail("a shard cannot be created");
    c->column_bytes[column] = 0;
    c->sum_count[column] = 0;
  }
}

static void write_fully(int file, const uint8_t *bytes, size_t length, uint64_t position) {
  while (length > 0) {
    ssize_t count = pwrite(file, bytes, length, (off_t)position);
    if (count <= 0) fail("a shard cannot be written");
    bytes += count;
    length -= (size_t)count;
    position += (uint64_t)count;
  }
}

static size_t round_up(size_t length) {
  return (length + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
}

static void add_sums(connection *c, unsigned column, const uint8_t *bytes, size_t length) {
  for (size_t at = 0; at < length; at += CHECK_BYTES) {
    if (c->sum_count[column] == c->sum_room) {
      c->sum_room = c->sum_room == 0 ? 512 : 2 * c->sum_room;
      for (unsigned each = 0; each < COLUMNS; each += 1) {
        c->sums[each] = realloc(c->sums[each], c->sum_room * sizeof(uint64_t));
        if (c->sums[each] == NULL) fail("no memory");
      }
    }
    size_t piece = length - at < CHECK_BYTES ? length - at : CHECK_BYTES;
    c->sums[column][c->sum_count[column]] = xxh64(bytes + at, piece);
    c->sum_count[column] += 1;
  }
}

/* The bytes behind `length`, up to a whole unit, are zeroes already. */
void disk_write(connection *c, unsigned column, const uint8_t *bytes, size_t length) {
  add_sums(c, column, bytes, length);
  write_fully(c->files[column], bytes, round_up(length), UNIT_BYTES + c->column_bytes[column]);
  c->column_bytes[column] += length;
}

static void write_table(connection *c, unsigned column) {
  _Alignas(UNIT_BYTES) uint8_t unit[UNIT_BYTES] = "CEILING1";
  size_t bytes = c->sum_count[column] * sizeof(uint64_t);
  size_t padded = round_up(bytes);
  uint8_t *table = aligned_alloc(UNIT_BYTES, padded + UNIT_BYTES);
  if (table == NULL) fail("no memory");
  memset(table, 0, padded);
  if (bytes > 0) memcpy(table, c->sums[column], bytes);
  uint64_t fields[3] = {column, c->column_bytes[column], xxh64(table, bytes)};
  memcpy(unit + 8, fields, sizeof fields);
  uint64_t footer = UNIT_BYTES + round_up(c->column_bytes[column]);
  write_fully(c->files[column], table, padded, footer);
  write_fully(c->files[column], unit, UNIT_BYTES, 0);
  free(table);
}

void disk_seal(connection *c) {
  atomic_store(&c->unsynced, COLUMNS);
  for (unsigned column = 0; column < COLUMNS; column += 1) {
    datanode *one = &datanodes[column];
    write_table(c, column);
    c->jobs[column] = (job){.owner = c, .file = c->files[column]};
    c->files[column] = -1;
    pthread_mutex_lock(&one->lock);
    c->jobs[column].next = one->first;
    one->first = &c->jobs[column];
    pthread_cond_signal(&one->filled);
    pthread_mutex_unlock(&one->lock);
  }
}

/* A body that ended early: its files stay behind without a header, which makes them worthless. */
void disk_drop(connection *c) {
  for (unsigned column = 0; column < COLUMNS; column += 1) {
    if (c->files[column] >= 0) close(c->files[column]);
    c->files[column] = -1;
  }
}
