/**
 * Free ports and waiting until a child process listens on one: shared by the benchmarks and by the
 * tests that start a real server. A port that was free a moment ago can be taken by another
 * process before the server binds it; then the server ends, and the wait says so with its words.
 */
import type { ChildProcess } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';

const POLL_MS = 25;

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/**
 * Resolves when the port accepts connections; rejects, with `words` of the child, when the child
 * ends first or `withinMs` passes. A child that did not make it is killed.
 */
export async function untilListening(
  port: number,
  child: ChildProcess,
  withinMs: number,
  words: () => string = () => '',
): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  while (performance.now() < deadlineMs) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server stopped at start: ${words()}`);
    }
    if (await accepts(port)) return;
    await setTimeout(POLL_MS);
  }
  child.kill('SIGKILL');
  throw new Error(`the server did not listen within ${withinMs} ms: ${words()}`);
}
