/**
 * The front end alone over a scripted gateway. `close` checks what must hold after every test:
 * no request and no connection is left, all arena blocks are back, each request ended once.
 */
import { expect } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import type { FrontLimits } from '../../src/http/live-request.ts';
import { HTTP_KINDS, type HttpKind, type HttpServer, startServer } from '../../src/http/server.ts';
import { Arena, type Block, type Purpose } from '../../src/memory/arena.ts';
import type { S3Response } from '../../src/s3/request.ts';
import { RawConnection } from './raw-client.ts';
import { blocksBody, ScriptedGateway } from './scripted-gateway.ts';

/** Those that this system can load: the native addon is not there for every one. */
export const KINDS: readonly HttpKind[] = await loadable();

async function loadable(): Promise<readonly HttpKind[]> {
  try {
    await import('../../src/http/uws.ts');
    return HTTP_KINDS;
  } catch (error) {
    process.stderr.write(`skipped: uWebSockets does not load (${String(error)})\n`);
    return ['node'];
  }
}

export const BLOCK_BYTES = 64 * 1024;
export const GET = 'GET /p HTTP/1.1\r\nHost: x\r\n\r\n';

const arena = new Arena(256 * BLOCK_BYTES, BLOCK_BYTES);

export function put(length: number): string {
  return `PUT /p HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export class FrontEnd {
  readonly gateway: ScriptedGateway;
  readonly server: HttpServer;
  readonly #connections: RawConnection[] = [];
  readonly #relax: (() => Promise<void>)[] = [];

  private constructor(gateway: ScriptedGateway, server: HttpServer) {
    this.gateway = gateway;
    this.server = server;
  }

  static async start(
    limits: Partial<FrontLimits> = {},
    kind: HttpKind = 'node',
  ): Promise<FrontEnd> {
    const gateway = new ScriptedGateway(() => {});
    const server = await startServer({
      gateway,
      arena,
      host: '127.0.0.1',
      port: 0,
      log: silentLog,
      kind,
      limits,
    });
    return new FrontEnd(gateway, server);
  }

  async open(): Promise<RawConnection> {
    const connection = await RawConnection.open(this.server.port);
    this.#connections.push(connection);
    return connection;
  }

  /** From now until `relax` or `close` somebody waits for blocks of this purpose. */
  contend(purpose: Purpose): void {
    const all: Block[] = [];
    for (let next = arena.tryAcquire(purpose); next !== undefined;) {
      all.push(next);
      next = arena.tryAcquire(purpose);
    }
    const waiting = arena.acquire(purpose);
    this.#relax.push(async () => {
      for (const block of all) block.release();
      (await waiting).release();
    });
  }

  async relax(): Promise<void> {
    for (const relax of this.#relax.splice(0)) await relax();
  }

  /** Blocks that are held. */
  get held(): number {
    return arena.blockCount - arena.freeCount;
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    await this.server.close(0);
    await this.relax();
    expect(this.server.requests()).toBe(0);
    expect(this.server.connections()).toBe(0);
    expect(this.held).toBe(0);
    for (const story of this.gateway.stories) expect(story.outcomes).toHaveLength(1);
  }
}

/** A response of `count` arena blocks; block n is filled with n. */
export function blocks(
  count: number,
  fault?: { readonly after: number; readonly error: Error },
): S3Response {
  const headers: [string, string][] = [['x-amz-request-id', 'R']];
  return { status: 200, headers, body: blocksBody(arena, count, fault) };
}
