/*
 * The ceiling of receiving: one thread, one TCP connection over loopback, recv() into memory with
 * buffers of 256 KiB, 512 KiB and 1 MiB. Counts the CPU of the receiving process only. With
 * --listen it prints the port and takes what somebody else sends; else a child of its own sends.
 */
#include "measure.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const size_t SIZES[3] = {256 * KIB, 512 * KIB, MIB};
static const char *const NAMES[3] = {"recv-256k", "recv-512k", "recv-1m"};

static int listen_locally(uint16_t *port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
      listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
    fail("cannot listen on loopback");
  }
  *port = ntohs(address.sin_port);
  return listener;
}

/* Byte n of the stream is n modulo 251, so that the receiver can tell what it got. */
static void send_stream(uint16_t port, uint64_t bytes) {
  uint8_t *source = malloc(2 * MIB);
  if (source == NULL) fail("no memory");
  for (size_t at = 0; at < 2 * MIB; at += 1) source[at] = (uint8_t)(at % 251);
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons(port)};
  if (connect(connection, (struct sockaddr *)&address, sizeof address) != 0) fail("no connection");
  for (uint64_t sent = 0; sent < bytes;) {
    size_t piece = bytes - sent < MIB ? (size_t)(bytes - sent) : MIB;
    ssize_t count = send(connection, source + sent % 251, piece, MSG_NOSIGNAL);
    if (count <= 0) fail("the receiver went away");
    sent += (uint64_t)count;
  }
  close(connection);
  free(source);
}

/* `check`: whether every byte is looked at, which is not timed. */
static void receive(int listener, const char *name, size_t size, uint64_t bytes, bool check) {
  int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (connection < 0) fail("nobody connected");
  uint8_t *buffer = filled(size, 1);
  moment start = moment_now();
  uint64_t got = 0;
  while (got < bytes) {
    ssize_t count = recv(connection, buffer, size, 0);
    if (count <= 0) break;
    for (ssize_t at = 0; check && at < count; at += 1) {
      verify(buffer[at] == (got + (uint64_t)at) % 251, "a received byte");
    }
    got += (uint64_t)count;
  }
  moment spent = moment_since(start);
  verify(got == bytes, "the number of received bytes");
  if (!check) report(name, got, spent);
  close(connection);
  free(buffer);
}

static void receive_from_child(const char *name, size_t size, uint64_t bytes, bool check) {
  uint16_t port;
  int listener = listen_locally(&port);
  pid_t sender = fork();
  if (sender < 0) fail("cannot fork");
  if (sender == 0) {
    send_stream(port, bytes);
    _exit(0);
  }
  receive(listener, name, size, bytes, check);
  close(listener);
  waitpid(sender, NULL, 0);
}

int main(int count, char **words) {
  options asked = parse_options(count, words);
  alarm(60);
  receive_from_child("check", 64 * KIB, 8 * MIB + 5, true);
  if (asked.check) return 0;
  for (unsigned at = 0; at < 3; at += 1) {
    if (!wanted(&asked, NAMES[at])) continue;
    uint64_t bytes = asked.megabytes * 1000000;
    if (!asked.listen) {
      receive_from_child(NAMES[at], SIZES[at], bytes, false);
      continue;
    }
    uint16_t port;
    int listener = listen_locally(&port);
    printf("{\"port\":%u}\n", port);
    fflush(stdout);
    receive(listener, NAMES[at], SIZES[at], bytes, false);
    close(listener);
  }
  return 0;
}
