/**
 * The composition root: the only file that knows every room. It opens them bottom to top over
 * plain settings and closes them top to bottom. Nothing here decides what S3 means.
 *
 * Invariant: when `compose` rejects, everything it had opened is closed again.
 */
import { openCredentials, type Credentials } from './admin/credentials.ts';
import { lockDirectories, makeDirectory } from './admin/data-lock.ts';
import { openBodies } from './body/stream-body.ts';
import { type Clock, systemClock } from './base/clock.ts';
import { LIMITS } from './base/limits.ts';
import type { Log } from './base/log.ts';
import type { Settings } from './config.ts';
import type { Engine } from './engine/engine.ts';
import { openLocalEngine } from './engine/local-engine.ts';
import { startServer } from './http/uws-server.ts';
import { Arena } from './memory/arena.ts';
import { openObjects } from './objects/object-store.ts';
import { openGateway } from './s3/dispatch.ts';

export interface Sluice {
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials;
  readonly arena: Arena;
  readonly engine: Engine;
  /** Stops accepting, waits for what runs (bounded), closes the stores. Idempotent. */
  close(drainMs?: number): Promise<void>;
}

export interface Surroundings {
  readonly log: Log;
  readonly clock?: Clock;
  /** An invariant of a store broke: nothing may be acknowledged any more. */
  onFatal(error: Error): void;
}

export async function compose(settings: Settings, surroundings: Surroundings): Promise<Sluice> {
  const { log, clock = systemClock, onFatal } = surroundings;
  const closers: ((drainMs: number) => void | Promise<void>)[] = [];
  const close = async (drainMs: number): Promise<void> => {
    for (let next = closers.pop(); next !== undefined; next = closers.pop()) await next(drainMs);
  };
  try {
    for (const directory of settings.dataDirectories) makeDirectory(directory);
    const lock = await lockDirectories(settings.dataDirectories);
    closers.push(() => lock.release());
    const credentials = openCredentials(settings.credentialsFile, settings.rootKey);
    const arena = new Arena(settings.arenaBytes);
    const engine = await openLocalEngine({
      metaDirectory: settings.metaDirectory,
      datanodeDirectories: settings.datanodeDirectories,
      replication: settings.replication,
      durability: settings.durability,
      io: settings.io,
      arena,
      clock,
      log: log.child({ room: 'engine' }),
      onFatal,
    });
    closers.push(() => engine.close());
    const bodies = await openBodies({ arena, threads: settings.digestThreads });
    closers.push(() => bodies.close());
    const objects = await openObjects({
      engine,
      arena,
      clock,
      log: log.child({ room: 'objects' }),
      reclaimGraceMs: settings.reclaimGraceMs,
      uploadDays: settings.uploadDays,
    });
    closers.push(() => objects.close());
    const gateway = openGateway({
      bodies,
      objects,
      credentials,
      settings: {
        domains: settings.domains,
        region: settings.region,
        insecure: settings.insecure,
      },
      clock,
      log: log.child({ room: 's3' }),
    });
    const { host, port } = settings;
    const server = await startServer({
      gateway,
      arena,
      host,
      port,
      log: log.child({ room: 'http' }),
    });
    closers.push((drainMs) => server.close(drainMs));
    return {
      host,
      port: server.port,
      credentials,
      arena,
      engine,
      close: (drainMs = LIMITS.drainMs) => close(drainMs),
    };
  } catch (error) {
    await close(0);
    throw error;
  }
}
