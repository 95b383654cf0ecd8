/*
 * A ceiling for the whole write path: a server in C that takes the load generator's multipart PUTs
 * and does per byte what Sluice does: receive, MD5, chunk signatures or trailer checksum, XOR
 * parity, block checksums, three shards on three directories, fdatasync before the answer.
 *
 * usage: pipeline SECRET DIRECTORY DIRECTORY DIRECTORY [buffered|direct [WORKERS]]
 * It prints {"port":N} and serves until it is killed.
 */
#include "pipeline.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* With payload comes at most so much of what follows it: a chunk head and little more. */
#define BEHIND_BYTES 512
/* How long a worker with nothing to do waits for company of a block, milliseconds. */
#define COMPANY_MS 1

static worker workers[WORKERS_MAX];
static _Atomic unsigned open_connections;

void kick(worker *owner) {
  uint64_t one = 1;
  if (write(owner->kick, &one, sizeof one) != sizeof one) fail("a worker cannot be kicked");
}

/* Puts what came next into the block directly, the rest into the inbox. False: it is over. */
static bool receive(connection *c) {
  if (c->inbox_at > 0) {
    memmove(c->inbox, c->inbox + c->inbox_at, c->inbox_end - c->inbox_at);
    c->inbox_end -= c->inbox_at;
    c->inbox_at = 0;
  }
  size_t room = 0;
  uint8_t *block = NULL;
  struct iovec into[2];
  if (c->phase == PAYLOAD && c->inbox_end == 0) block = body_room(c, &room);
  size_t behind = block == NULL ? INBOX_BYTES - c->inbox_end : BEHIND_BYTES;
  into[0] = (struct iovec){block, room};
  into[1] = (struct iovec){c->inbox + c->inbox_end, behind};
  ssize_t count = readv(c->socket, block == NULL ? into + 1 : into, block == NULL ? 1 : 2);
  if (count < 0 && errno == EAGAIN) return true;
  if (count <= 0) return false;
  size_t payload = (size_t)count < room ? (size_t)count : room;
  c->inbox_end += (size_t)count - payload;
  if (payload > 0) body_accept(c, payload);
  return true;
}

/* Payload that came into the inbox with other bytes. */
static outcome take_payload(connection *c) {
  if (c->piece_left == 0) {
    if (c->chunked) c->phase = CHUNK_END;
    return c->chunked ? DONE_MORE : body_end(c);
  }
  if (!md5_has_room(c)) return DONE_PAUSED;
  size_t length = c->inbox_end - c->inbox_at;
  if (length == 0) return DONE_STARVED;
  size_t room;
  uint8_t *block = body_room(c, &room);
  if (length > room) length = room;
  memcpy(block, c->inbox + c->inbox_at, length);
  c->inbox_at += length;
  body_accept(c, length);
  return DONE_MORE;
}

static outcome settle(connection *c) {
  if (!md5_is_settled(c) || atomic_load(&c->unsynced) > 0) return DONE_PAUSED;
  answer_part(c);
  c->phase = HEAD;
  return c->broken ? DONE_BROKEN : DONE_MORE;
}

/* Goes on with what is there until it needs more bytes, or has to wait for others. */
static outcome process(connection *c) {
  for (;;) {
    outcome result = DONE_BROKEN;
    switch (c->phase) {
      case HEAD: result = read_head(c); break;
      case TEXT: result = read_text(c); break;
      case CHUNK_HEAD: result = read_chunk_head(c); break;
      case PAYLOAD: result = take_payload(c); break;
      case CHUNK_END: result = read_chunk_end(c); break;
      case TRAILER: result = read_trailer(c); break;
      case SETTLING: result = settle(c); break;
    }
    if (result != DONE_MORE) return result;
  }
}

/* False: its blocks or files are still in use; the next kick tries again. */
static bool close_connection(connection *c) {
  c->broken = true;
  epoll_ctl(c->owner->poll, EPOLL_CTL_DEL, c->socket, NULL);
  if (atomic_load(&c->unsynced) > 0 || !md5_leave(c)) return false;
  worker *owner = c->owner;
  unsigned count = atomic_load(&owner->count);
  for (unsigned at = 0; at < count; at += 1) {
    if (owner->connections[at] == c) owner->connections[at] = owner->connections[count - 1];
  }
  atomic_store(&owner->count, count - 1);
  disk_drop(c);
  close(c->socket);
  for (unsigned column = 0; column < COLUMNS; column += 1) free(c->sums[column]);
  free(c->blocks);
  free(c->parity);
  free(c->text);
  free(c);
  atomic_fetch_sub(&open_connections, 1);
  return true;
}

static void listen_to(connection *c, bool readable) {
  if (c->readable == readable) return;
  c->readable = readable;
  struct epoll_event event = {.events = readable ? EPOLLIN : 0, .data.ptr = c};
  epoll_ctl(c->owner->poll, EPOLL_CTL_MOD, c->socket, &event);
}

/* False: the connection is closed and gone, or going. */
static bool go_on(connection *c) {
  outcome result = c->broken ? DONE_BROKEN : process(c);
  if (result == DONE_BROKEN) {
    close_connection(c);
    return false;
  }
  listen_to(c, result == DONE_STARVED);
  return true;
}

static void resume_paused(worker *self) {
  for (unsigned at = 0; at < atomic_load(&self->count);) {
    connection *c = self->connections[at];
    bool waits = !c->readable || c->broken;
    if (!waits || go_on(c) || self->connections[at] == c) at += 1;
  }
}

static void adopt(worker *self, int socket) {
  connection *c = calloc(1, sizeof *c);
  if (c == NULL) fail("no memory");
  c->socket = socket;
  c->owner = self;
  c->readable = true;
  for (unsigned column = 0; column < COLUMNS; column += 1) c->files[column] = -1;
  self->connections[atomic_load(&self->count)] = c;
  atomic_fetch_add(&self->count, 1);
  md5_join(c);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(self->poll, EPOLL_CTL_ADD, socket, &event) != 0) fail("epoll refuses a socket");
}

static bool somebody_waits(const worker *self) {
  for (unsigned at = 0; at < atomic_load(&self->count); at += 1) {
    if (!self->connections[at]->readable) return true;
  }
  return false;
}

/* New sockets come through a pipe, so that only the worker touches its connections. */
static int mailboxes[WORKERS_MAX][2];

/* True: the worker was kicked. What was paused goes on after all events: it may be freed then. */
static bool take_event(worker *self, const struct epoll_event *event) {
  if (event->data.ptr == &self->kick) {
    uint64_t kicks;
    return read(self->kick, &kicks, sizeof kicks) == sizeof kicks;
  }
  if (event->data.ptr == self) {
    int socket;
    ssize_t count = read(mailboxes[self - workers][0], &socket, sizeof socket);
    if (count == sizeof socket) adopt(self, socket);
    return false;
  }
  connection *c = event->data.ptr;
  /* While it is paused, only an end of the connection is heard of. */
  if (!c->readable || !receive(c)) close_connection(c);
  else go_on(c);
  return false;
}

static void *work(void *argument) {
  worker *self = argument;
  struct epoll_event events[32];
  int timeout = -1;
  for (;;) {
    int count = epoll_wait(self->poll, events, 32, timeout);
    bool changed = false;
    for (int at = 0; at < count; at += 1) changed |= take_event(self, &events[at]);
    bool hashed = false;
    while (md5_step(self, count == 0)) hashed = true;
    if (hashed || changed) resume_paused(self);
    timeout = hashed ? 0 : somebody_waits(self) ? COMPANY_MS : -1;
  }
  return NULL;
}

static void start_worker(worker *self) {
  self->poll = epoll_create1(EPOLL_CLOEXEC);
  self->kick = eventfd(0, EFD_CLOEXEC);
  int *mailbox = mailboxes[self - workers];
  if (self->poll < 0 || self->kick < 0 || pipe(mailbox) != 0) fail("no descriptors");
  struct epoll_event kicked = {.events = EPOLLIN, .data.ptr = &self->kick};
  struct epoll_event mail = {.events = EPOLLIN, .data.ptr = self};
  epoll_ctl(self->poll, EPOLL_CTL_ADD, self->kick, &kicked);
  epoll_ctl(self->poll, EPOLL_CTL_ADD, mailbox[0], &mail);
  if (pthread_create(&self->thread, NULL, work, self) != 0) fail("no thread");
}

int main(int count, char **words) {
  if (count < 5) fail("usage: pipeline SECRET THREE DIRECTORIES [buffered|direct [WORKERS]]");
  /* A runner that is killed leaves no server behind. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  bool direct = count > 5 && strcmp(words[5], "direct") == 0;
  long cores = count > 6 ? atol(words[6]) : sysconf(_SC_NPROCESSORS_ONLN);
  unsigned worker_count = cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : (unsigned)cores;
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("pclmul")) fail("needs AVX2");
  heads_prepare(words[1]);
  disks_prepare((const char *const *)&words[2], direct);
  for (unsigned at = 0; at < worker_count; at += 1) start_worker(&workers[at]);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
      listen(listener, 128) != 0 || getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
    fail("cannot listen on loopback");
  }
  printf("{\"port\":%u}\n", ntohs(address.sin_port));
  fflush(stdout);
  for (unsigned next = 0;; next = (next + 1) % worker_count) {
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) continue;
    int yes = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (atomic_fetch_add(&open_connections, 1) >= CONNECTIONS_MAX) {
      atomic_fetch_sub(&open_connections, 1);
      close(socket);
    } else if (write(mailboxes[next][1], &socket, sizeof socket) != sizeof socket) {
      fail("a worker takes no connection");
    }
  }
}
