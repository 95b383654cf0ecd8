/**
 * The composition root: the only file that knows every room. It opens them bottom to top over
 * plain settings and closes them top to bottom. Nothing here decides what S3 means.
 *
 * Invariant: when `compose` rejects, everything it had opened is closed again.
 */
import { readCertificate, watchCertificate } from './admin/certificate.ts';
import { openCredentials, type Credentials } from './admin/credentials.ts';
import { AdminApi } from './admin/admin-api.ts';
import { type AdminSocket, openAdminSocket } from './admin/admin-socket.ts';
import { isReadableByOthers } from './admin/identities.ts';
import { IdentityStore } from './admin/identity-store.ts';
import { SecretBox } from './admin/secret-box.ts';
import { statusOf } from './admin/server-status.ts';
import { lockDirectories, makeDirectory } from './admin/data-lock.ts';
import { VERSION } from './cli.ts';
import { openBodies } from './body/stream-body.ts';
import { type Clock, systemClock, timeOrderedId } from './base/clock.ts';
import { LIMITS } from './base/limits.ts';
import type { Log } from './base/log.ts';
import { DataKeys } from './crypto/data-keys.ts';
import { Keyring } from './crypto/keyring.ts';
import type { Settings } from './config.ts';
import type { Engine } from './engine/engine.ts';
import { openLocalEngine } from './engine/local-engine.ts';
import { EventQueue } from './events/event-queue.ts';
import { openTarget } from './events/event-target.ts';
import { startServer } from './http/server.ts';
import type { TlsSource } from './http/wire.ts';
import { Arena } from './memory/arena.ts';
import { openObjects } from './objects/object-store.ts';
import { AccessLog } from './s3/access-log.ts';
import { AccessRules } from './s3/access-rules.ts';
import { AccessAuthorizer } from './s3/authz.ts';
import { openGateway } from './s3/dispatch.ts';
import { parsePolicy } from './s3/policy/policy.ts';
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
    warnOfReaders(settings, surroundings.log);
    const rules = new AccessRules(settings.defaultOwnership);
    const arena = new Arena(settings.arenaBytes);
    const stores = await openStores(settings, surroundings, arena, closers);
    const { clock, engine, objects } = stores;
    const { chunks, meta } = engine;
    const accounts = openIdentities(settings, engine, credentials, clock);
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
    const tls = openTls(settings, log, closers);
    const server = await startServer({ gateway, arena, host, port, kind, tls, log });
    closers.add((drainMs) => server.close(drainMs));
    const sources = { version: VERSION, clock, chunks, meta, objects, arena, gateway, server };
    const api = new AdminApi({ identities: accounts, status: statusOf(sources) });
    const admin = await openAdmin(settings, api, surroundings.log);
    closers.add(() => admin.close());
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

function openIdentities(
  settings: Settings,
  { meta }: Engine,
  credentials: Credentials,
  clock: Clock,
): IdentityStore {
  return IdentityStore.open({
    meta,
    credentials,
    users: settings.identities.users,
    box: SecretBox.open(settings.secretsKeyFile),
    clock,
    readPolicy: (text) => parsePolicy(text, { bucket: undefined, knows: () => true }),
  });
}

function openTls({ tls: files }: Settings, log: Log, closers: Closers): TlsSource | undefined {
  if (files === undefined) return undefined;
  const pair = readCertificate(files);
  return {
    pair,
    onChange: (listener) => {
      const stop = watchCertificate(files, log, listener);
      closers.add(stop);
    },
  };
}

async function openAdmin(
  { dataDirectories }: Settings,
  api: AdminApi,
  log: Log,
): Promise<AdminSocket> {
  const [home = '.'] = dataDirectories;
  return await openAdminSocket(home, api, log.child({ room: 'admin' }));
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
    keys: openKeys(settings, clock),
    bodies,
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

function openKeys({ keyringFile, kmsKeys, region }: Settings, clock: Clock): DataKeys {
  const { master, kms } = new Keyring({
    file: keyringFile,
    clock,
    region: region ?? 'us-east-1',
    names: kmsKeys,
  });
  return new DataKeys({ master, kms, newId: () => timeOrderedId(clock) });
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
