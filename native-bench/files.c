/*
 * The ceiling of durable writing: pwrite() and one fdatasync() per batch of 1, 8 or 64 MiB through
 * the page cache, and the same with O_DIRECT in writes of 256 KiB and 1 MiB. New files, removed
 * afterwards. Wall time is the answer here as much as CPU time. A file system that refuses
 * O_DIRECT is named on standard error and that line is left out.
 */
#include "measure.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  const char *name;
  size_t write_bytes;
  size_t batch_bytes;
  int flags;
} plan;

static const plan PLANS[] = {
    {"write-sync-1m", 256 * KIB, MIB, 0},
    {"write-sync-8m", 256 * KIB, 8 * MIB, 0},
    {"write-sync-64m", 256 * KIB, 64 * MIB, 0},
    {"direct-256k-sync-8m", 256 * KIB, 8 * MIB, O_DIRECT},
    {"direct-1m-sync-64m", MIB, 64 * MIB, O_DIRECT},
};

static char path[4096];

static void write_fully(int file, const uint8_t *bytes, size_t length, off_t position) {
  while (length > 0) {
    ssize_t count = pwrite(file, bytes, length, position);
    if (count <= 0) {
      unlink(path);
      fail("a write failed");
    }
    bytes += count;
    length -= (size_t)count;
    position += count;
  }
}

static int create(const char *directory, int flags) {
  snprintf(path, sizeof path, "%s/native-bench-%d", directory, (int)getpid());
  int file = open(path, O_RDWR | O_CREAT | O_EXCL | flags, 0600);
  /* Linux makes the file before it refuses the flag. */
  if (file < 0) unlink(path);
  return file;
}

static bool write_file(const char *directory, const plan *how, size_t bytes, bool check) {
  int file = create(directory, how->flags);
  if (file < 0 && errno == EINVAL) {
    fprintf(stderr, "%s: the file system of %s refuses O_DIRECT\n", how->name, directory);
    return false;
  }
  if (file < 0) fail("cannot create a file in the directory");
  uint8_t *source = filled(4 * MIB, 7);
  moment start = moment_now();
  size_t unsynced = 0;
  for (size_t at = 0; at < bytes; at += how->write_bytes) {
    write_fully(file, source + at % (4 * MIB), how->write_bytes, (off_t)at);
    unsynced += how->write_bytes;
    if (unsynced < how->batch_bytes && at + how->write_bytes < bytes) continue;
    if (fdatasync(file) != 0) fail("fdatasync failed");
    unsynced = 0;
  }
  moment spent = moment_since(start);
  if (check) {
    uint8_t *back = filled(how->write_bytes, 8);
    for (size_t at = 0; at < bytes; at += how->write_bytes) {
      ssize_t count = pread(file, back, how->write_bytes, (off_t)at);
      bool same = memcmp(back, source + at % (4 * MIB), how->write_bytes) == 0;
      if (count != (ssize_t)how->write_bytes || !same) {
        unlink(path);
        verify(false, "what was written and read again");
      }
    }
    free(back);
  } else {
    report(how->name, bytes, spent);
  }
  close(file);
  unlink(path);
  free(source);
  return true;
}

int main(int count, char **words) {
  options asked = parse_options(count, words);
  size_t known = 0;
  size_t bytes = (asked.megabytes * 1000000 / MIB + 1) * MIB;
  for (size_t at = 0; at < sizeof PLANS / sizeof PLANS[0]; at += 1) {
    if (!wanted(&asked, PLANS[at].name)) continue;
    known += 1;
    bool done = write_file(asked.directory, &PLANS[at], 8 * MIB, true);
    if (done && !asked.check) write_file(asked.directory, &PLANS[at], bytes, false);
  }
  if (known == 0) fail("no plan of that name");
  return 0;
}
