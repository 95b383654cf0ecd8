/**
 * What the files of this room share: the stores, time, ids, and the three small registries that
 * live in memory only (leases, touched references, turns). Nothing here outlives the process:
 * whatever must survive a crash is a row.
 */
import type { Clock } from '../base/clock.ts';
import { timeOrderedId } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Bodies } from '../body/body.ts';
import type { ChunkStore } from '../chunks/chunk-store.ts';
import type { DataKeys } from '../crypto/data-keys.ts';
import type { Engine } from '../engine/engine.ts';
import type { Arena } from '../memory/arena.ts';
import type { MetaStore } from '../meta/meta-store.ts';
import type { ExpiredObject } from './maintenance.ts';
import { Leases } from './leases.ts';
import { Touched } from './touched.ts';
import { Turns } from './turns.ts';

const DAY_MS = 86_400_000;

export interface ObjectsOptions {
  readonly engine: Engine;
  /** Blocks for reads of inline segments of multipart objects. */
  readonly arena: Pick<Arena, 'acquire'>;
  /** For what is encrypted. */
  readonly keys: DataKeys;
  /** Digests of what a copy has to write anew. */
  readonly bodies: Pick<Bodies, 'open'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly reclaimGraceMs: number;
  readonly uploadDays: number;
  /** The length of a day in lifecycle rules; 86,400,000 unless said. */
  readonly lifecycleDayMs?: number | undefined;
  /** Called after each object that a lifecycle rule ended. */
  readonly onExpired?: ((bucket: string, expired: ExpiredObject) => Promise<void>) | undefined;
  /** Random bytes of ids; a simulator passes its own. */
  readonly random?: ((bytes: number) => Uint8Array) | undefined;
  /** False: nothing runs by itself, maintenance is called. For tests and the simulator. */
  readonly timers?: boolean | undefined;
}

export class Context {
  readonly engine: Engine;
  readonly meta: MetaStore;
  readonly chunks: ChunkStore;
  readonly arena: Pick<Arena, 'acquire'>;
  readonly keys: DataKeys;
  readonly bodies: Pick<Bodies, 'open'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly graceMs: number;
  readonly uploadMsMax: number;
  readonly dayMs: number;
  readonly onExpired: ObjectsOptions['onExpired'];
  readonly startedMs: number;
  readonly leases: Leases = new Leases();
  readonly touched: Touched;
  readonly turns: Turns = new Turns();
  readonly #random: ((bytes: number) => Uint8Array) | undefined;
  /** Set by close: long maintenance ends at its next step. */
  stopped = false;
  /** The clock once stood before the start: new ids may look old, so the scrub must not delete. */
  clockStepped = false;

  constructor(options: ObjectsOptions) {
    this.engine = options.engine;
    this.meta = options.engine.meta;
    this.chunks = options.engine.chunks;
    this.arena = options.arena;
    this.keys = options.keys;
    this.bodies = options.bodies;
    this.clock = options.clock;
    this.log = options.log;
    this.graceMs = options.reclaimGraceMs;
    this.uploadMsMax = options.uploadDays * DAY_MS;
    this.dayMs = options.lifecycleDayMs ?? DAY_MS;
    this.onExpired = options.onExpired;
    this.startedMs = options.clock.now();
    this.touched = new Touched(this.startedMs);
    this.#random = options.random;
  }

  newId(): string {
    if (this.clock.now() < this.startedMs) this.clockStepped = true;
    return timeOrderedId(this.clock, this.#random);
  }
}
