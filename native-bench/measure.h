/*
 * How every program here times and reports: repeats a kernel for a bounded while and prints one
 * JSON line of bytes, CPU time of the whole process (user and system, all threads) and wall time.
 * mbPerSecond is 10^6 bytes per CPU second: wall time means little on a machine that is shared.
 */
#ifndef MEASURE_H
#define MEASURE_H
#define _GNU_SOURCE
#if !defined(__x86_64__)
#error "the ceilings are written for x86-64"
#endif
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
/* One arena block of Sluice: the unit that every kernel is given. */
#define BLOCK_BYTES (256 * KIB)

typedef struct {
  uint64_t cpu;
  uint64_t wall;
} moment;

static inline uint64_t clock_ns(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline moment moment_now(void) {
  return (moment){clock_ns(CLOCK_PROCESS_CPUTIME_ID), clock_ns(CLOCK_MONOTONIC)};
}

static inline moment moment_since(moment start) {
  moment now = moment_now();
  return (moment){now.cpu - start.cpu, now.wall - start.wall};
}

static inline void report(const char *name, uint64_t bytes, moment spent) {
  double rate = spent.cpu == 0 ? 0 : (double)bytes * 1e3 / (double)spent.cpu;
  printf("{\"name\":\"%s\",\"bytes\":%llu,\"cpuNs\":%llu,\"wallNs\":%llu,\"mbPerSecond\":%.1f}\n",
         name, (unsigned long long)bytes, (unsigned long long)spent.cpu,
         (unsigned long long)spent.wall, rate);
  fflush(stdout);
}

__attribute__((noreturn)) static inline void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

/* A kernel that is wrong is never timed. */
static inline void verify(bool right, const char *what) {
  if (right) return;
  fprintf(stderr, "wrong: %s\n", what);
  exit(1);
}

static inline void fill(uint8_t *bytes, size_t length, uint64_t seed) {
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (size_t at = 0; at < length; at += 1) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    bytes[at] = (uint8_t)(state >> 32);
  }
}

/* Page-aligned and filled, so that no first touch is timed. */
static inline uint8_t *filled(size_t length, uint64_t seed) {
  uint8_t *bytes = aligned_alloc(4096, (length + 4095) / 4096 * 4096);
  if (bytes == NULL) fail("no memory");
  fill(bytes, length, seed);
  return bytes;
}

typedef struct {
  const char *name;
  /* Of payload, each time `run` is called. */
  size_t bytes;
  /* What the processor must know, as __builtin_cpu_supports spells it. */
  bool able;
  void (*run)(void);
} kernel;

typedef struct {
  bool check;
  const char *only;
  uint64_t milliseconds;
  const char *directory;
  size_t megabytes;
  bool listen;
} options;

static inline options parse_options(int count, char **words) {
  options parsed = {.milliseconds = 300, .directory = "/tmp", .megabytes = 256};
  for (int at = 1; at < count; at += 1) {
    const char *value = at + 1 < count ? words[at + 1] : NULL;
    if (strcmp(words[at], "--check") == 0) {
      parsed.check = true;
      continue;
    }
    if (strcmp(words[at], "--listen") == 0) {
      parsed.listen = true;
      continue;
    }
    if (value == NULL) fail("an option lacks its value");
    if (strcmp(words[at], "--only") == 0) parsed.only = value;
    else if (strcmp(words[at], "--milliseconds") == 0) parsed.milliseconds = strtoull(value, 0, 10);
    else if (strcmp(words[at], "--directory") == 0) parsed.directory = value;
    else if (strcmp(words[at], "--megabytes") == 0) parsed.megabytes = strtoull(value, 0, 10);
    else fail("unknown option; known: --check --listen --only --milliseconds --directory --megabytes");
    at += 1;
  }
  return parsed;
}

static inline bool wanted(const options *asked, const char *name) {
  return asked->only == NULL || strcmp(asked->only, name) == 0;
}

/* A warm-up, then whole calls until the time is over. Names nobody knows are an error. */
static inline void time_kernels(const kernel *kernels, size_t count, const options *asked) {
  size_t known = 0;
  for (size_t at = 0; at < count; at += 1) {
    const kernel *one = &kernels[at];
    if (!wanted(asked, one->name)) continue;
    known += 1;
    if (!one->able) {
      fprintf(stderr, "%s: not on this processor\n", one->name);
      continue;
    }
    one->run();
    uint64_t bytes = 0;
    moment start = moment_now();
    moment spent = {0, 0};
    while (spent.wall < asked->milliseconds * 1000000u) {
      for (int turn = 0; turn < 8; turn += 1) one->run();
      bytes += 8 * one->bytes;
      spent = moment_since(start);
    }
    report(one->name, bytes, spent);
  }
  if (known == 0) fail("no kernel of that name");
}
#endif
