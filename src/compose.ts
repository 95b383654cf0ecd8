/**
 * The composition root: the only file that knows every room. It opens them bottom to top over
 * plain settings and closes them top to bottom. Nothing here decides what S3 means.
 *
 * Invariant: when `compose` rejects, everything it had opened is closed again.
 */
import { openCredentials, type Credentials } from './admin/credentials.ts';
import { isReadableByOthers, openDirectory } from './admin/identities.ts';
import { lockDirectories, makeDirectory } from './admin/data-lock.ts';
import { openBodies } from './body/stream-body.ts';
import { type Clock, systemClock } from './base/clock.ts';
import { LIMITS } from './base/limits.ts';
import type { Log } from './base/log.ts';
import type { Settings } from './config.ts';
import type { Engine } from './engine/engine.ts';
import { openLocalEngine } from './engine/local-engine.ts';
import { EventQueue } from './events/event-queue.ts';
import { openTarget } from './events/event-target.ts';
import { startServer } from './http/server.ts';
import { Arena } from './memory/arena.ts';
import { openObjects } from './objects/object-store.ts';
import { AccessLog } from './s3/access-log.ts';
import { AccessRules } from './s3/access-rules.ts';
import { AccessAuthorizer } from './s3/authz.ts';
import { openGateway } from './s3/dispatch.ts';
import { type EventOrigin, noteEvents } from './s3/events.ts';
import { websiteDomains } from './s3/website.ts';

export interface Sluice {
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials;
  readonly arena: Arena;
  readonly engine: Engine;
  readonly objects: Awaited<ReturnType<typeof openObjects>>;
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
  const closers = new Closers();
  try {
    for (const directory of settings.dataDirectories) makeDirectory(directory);
    const lock = await lockDirectories(settings.dataDirectories);
    closers.add(() => lock.release());
    const credentials = openCredentials(settings.credentialsFile, settings.rootKey);
    const accounts = openDirectory(credentials, settings.identities.users);
    warnOfReaders(settings, surroundings.log);
    const rules = new AccessRules(settings.defaultOwnership);
    const arena = new Arena(settings.arenaBytes);
    const stores = await openStores(settings, surroundings, arena, closers);
    const { clock, objects } = stores;
    const accessLog = new AccessLog({
      ...stores,
      log: surroundings.log.child({ room: 's3' }),
      intervalMs: settings.accessLogMs,
      region: settings.region ?? 'us-east-1',
    });
    closers.add(() => accessLog.close());
    const gateway = openGateway({
      bodies: stores.bodies,
      objects,
      credentials: accounts,
      authorizer: new AccessAuthorizer({ objects, accounts, rules, clock }),
      accounts,
      rules,
      rootOwner: { accessKeyId: undefined, ...credentials.rootOwner },
      domains: settings.domains,
      region: settings.region,
      insecure: settings.insecure,
      lifecycleDayMs: settings.lifecycleDayMs,
      events: stores.events,
      accessLog,
      websiteDomains: websiteDomains(settings.domains, settings.region, settings.websiteDomains),
      sigv2: settings.sigv2,
      clock: stores.clock,
      log: surroundings.log.child({ room: 's3' }),
    });
    const { host, port, http: kind } = settings;
    const log = surroundings.log.child({ room: 'http' });
    const server = await startServer({ gateway, arena, host, port, kind, log });
    closers.add((drainMs) => server.close(drainMs));
    return {
      host,
      port: server.port,
      credentials,
      arena,
      engine: stores.engine,
      objects: stores.objects,
      close: (drainMs = LIMITS.drainMs) => closers.close(drainMs),
    };
  } catch (error) {
    await closers.close(0);
    throw error;
  }
}

/** The identities file holds secrets; whoever reads it can sign as anybody in it. */
function warnOfReaders({ identitiesFile: file }: Settings, log: Log): void {
  if (file === undefined || !isReadableByOthers(file)) return;
  log.warn({ file }, 'others on this machine may read the identities file');
}

async function openStores(
  settings: Settings,
  surroundings: Surroundings,
  arena: Arena,
  closers: Closers,
) {
  const { log, clock = systemClock, onFatal } = surroundings;
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
  closers.add(() => engine.close());
  const bodies = await openBodies({ arena, threads: settings.digestThreads });
  closers.add(() => bodies.close());
  const events = openEvents(settings, engine, clock, log);
  closers.add(() => events?.close());
  const objects = await openObjects({
    engine,
    arena,
    clock,
    log: log.child({ room: 'objects' }),
    reclaimGraceMs: settings.reclaimGraceMs,
    uploadDays: settings.uploadDays,
    lifecycleDayMs: settings.lifecycleDayMs,
    onExpired: async (bucket, { key, size, etag }) => {
      const event = { name: 'LifecycleExpiration:Delete', key, size, etag };
      await noteEvents({ events, objects }, LIFECYCLE_ORIGIN, bucket, [event]);
    },
  });
  closers.add(() => objects.close());
  return { clock, engine, bodies, objects, events };
}

/** Who ended an object by a lifecycle rule: no request, and nobody's address. */
const LIFECYCLE_ORIGIN: EventOrigin = {
  requestId: '',
  hostId: '',
  remoteAddress: '',
  accessKeyId: undefined,
  ownerId: 's3.amazonaws.com',
};

function openEvents(
  settings: Settings,
  { meta }: Engine,
  clock: Clock,
  log: Log,
): EventQueue | undefined {
  if (settings.eventTargets.length === 0) return undefined;
  const targets = settings.eventTargets.map(openTarget);
  const region = settings.region ?? 'us-east-1';
  const events = new EventQueue({
    meta,
    targets,
    clock,
    log: log.child({ room: 'events' }),
    region,
  });
  events.start();
  return events;
}

/** What was opened last is closed first, each thing once, whoever asks and how often. */
class Closers {
  readonly #steps: ((drainMs: number) => void | Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  add(step: (drainMs: number) => void | Promise<void>): void {
    this.#steps.push(step);
  }

  close(drainMs: number): Promise<void> {
    this.#closing ??= this.#run(drainMs);
    return this.#closing;
  }

  async #run(drainMs: number): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      await step(drainMs);
    }
  }
}
