/*
 * MD5 across connections: every full block waits here until as many connections have one as can
 * (eight at most), then the worker that noticed advances them in lock-step on their common
 * length. One connection alone is OpenSSL's. Nobody waits for a connection that sends nothing:
 * a worker with nothing else to do forces what is there.
 */
#include "pipeline.h"
#include "md5-lanes.h"

static pthread_mutex_t md5_lock = PTHREAD_MUTEX_INITIALIZER;
static connection *members[CONNECTIONS_MAX];
static unsigned member_count;
/* Where the next search begins, so that no connection is always the last. */
static unsigned turn;

void md5_join(connection *c) {
  pthread_mutex_lock(&md5_lock);
  members[member_count] = c;
  member_count += 1;
  pthread_mutex_unlock(&md5_lock);
}

/* False: a worker is hashing a block of it, the owner is kicked when that is over. */
bool md5_leave(connection *c) {
  pthread_mutex_lock(&md5_lock);
  bool free = !c->busy;
  c->paused = true;
  c->in_body = false;
  for (unsigned at = 0; free && at < member_count; at += 1) {
    if (members[at] != c) continue;
    member_count -= 1;
    members[at] = members[member_count];
    break;
  }
  pthread_mutex_unlock(&md5_lock);
  return free;
}

void md5_begin(connection *c) {
  pthread_mutex_lock(&md5_lock);
  MD5_Init(&c->md5);
  c->in_body = true;
  c->paused = false;
  c->first = c->last = 0;
  c->md5_at = 0;
  pthread_mutex_unlock(&md5_lock);
}

void md5_push(connection *c, size_t length) {
  pthread_mutex_lock(&md5_lock);
  c->lengths[c->last % BLOCKS] = length;
  c->last += 1;
  pthread_mutex_unlock(&md5_lock);
}

void md5_end(connection *c) {
  pthread_mutex_lock(&md5_lock);
  c->in_body = false;
  pthread_mutex_unlock(&md5_lock);
}

bool md5_has_room(connection *c) {
  pthread_mutex_lock(&md5_lock);
  c->paused = c->last - c->first == BLOCKS;
  bool room = !c->paused;
  pthread_mutex_unlock(&md5_lock);
  return room;
}

bool md5_is_settled(connection *c) {
  pthread_mutex_lock(&md5_lock);
  bool settled = c->first == c->last && !c->busy;
  c->paused = !settled;
  pthread_mutex_unlock(&md5_lock);
  return settled;
}

/* Under the lock. Marks what it chose as busy. */
static unsigned choose(connection *chosen[8], bool force) {
  unsigned active = 0;
  unsigned count = 0;
  for (unsigned at = 0; at < member_count; at += 1) {
    connection *c = members[(turn + at) % member_count];
    bool pending = c->last != c->first;
    if (pending || c->in_body) active += 1;
    if (pending && !c->busy && count < 8) {
      chosen[count] = c;
      count += 1;
    }
  }
  if (count < (active < 8 ? active : 8) && !force) return 0;
  turn += count;
  for (unsigned at = 0; at < count; at += 1) chosen[at]->busy = true;
  return count;
}

static const uint8_t *source_of(const connection *c) {
  return c->blocks + (c->first % BLOCKS) * BLOCK_BYTES + c->md5_at;
}

static size_t left_of(const connection *c) {
  return c->lengths[c->first % BLOCKS] - c->md5_at;
}

static void advance(connection *c, size_t length) {
  uint64_t bits = ((uint64_t)c->md5.Nh << 32 | c->md5.Nl) + (uint64_t)length * 8;
  c->md5.Nl = (uint32_t)bits;
  c->md5.Nh = (uint32_t)(bits >> 32);
  c->md5_at += length;
}

/* Lanes that nobody fills hash the first source again, into nothing. */
static void hash_lanes(connection *const chosen[8], unsigned count, size_t length) {
  uint32_t nothing[8][4] = {{0}};
  uint32_t *states[8];
  const uint8_t *sources[8];
  for (unsigned at = 0; at < 8; at += 1) {
    states[at] = at < count ? &chosen[at]->md5.A : nothing[at];
    sources[at] = source_of(chosen[at < count ? at : 0]);
  }
  if (count <= 4) md5_lanes_4(states, sources, length);
  else md5_lanes_8(states, sources, length);
  for (unsigned at = 0; at < count; at += 1) advance(chosen[at], length);
}

/* Chosen blocks are read by this thread alone: neither lock nor owner touches them. */
static void hash_chosen(connection *const chosen[8], unsigned count) {
  connection *lanes[8];
  unsigned lane_count = 0;
  size_t common = BLOCK_BYTES;
  for (unsigned at = 0; at < count; at += 1) {
    size_t left = left_of(chosen[at]);
    if (count == 1 || left < 64) {
      MD5_Update(&chosen[at]->md5, source_of(chosen[at]), left);
      chosen[at]->md5_at += left;
      continue;
    }
    lanes[lane_count] = chosen[at];
    lane_count += 1;
    if (left < common) common = left;
  }
  if (lane_count > 0) hash_lanes(lanes, lane_count, common / 64 * 64);
}

/* One round. False: there was nothing to do, or company may yet come. */
bool md5_step(worker *self, bool force) {
  connection *chosen[8];
  worker *kicked[8];
  unsigned kicks = 0;
  pthread_mutex_lock(&md5_lock);
  unsigned count = choose(chosen, force);
  pthread_mutex_unlock(&md5_lock);
  if (count == 0) return false;
  hash_chosen(chosen, count);
  pthread_mutex_lock(&md5_lock);
  for (unsigned at = 0; at < count; at += 1) {
    connection *c = chosen[at];
    if (left_of(c) == 0) {
      c->first += 1;
      c->md5_at = 0;
    }
    c->busy = false;
    if (c->paused && c->owner != self) kicked[kicks++] = c->owner;
  }
  pthread_mutex_unlock(&md5_lock);
  for (unsigned at = 0; at < kicks; at += 1) kick(kicked[at]);
  return true;
}
