/**
 * Event notifications from the request that caused them to their target: durable rows in between.
 *
 * Invariant: `note` resolves when the rows are durable, and a row goes only after its target took
 * it. So every event of an acknowledged request is delivered at least once, in the order in which
 * it was queued; a target that is down delays its own events and nobody else's. A full queue
 * is SlowDown: the request is not acknowledged.
 */
import { type Clock, timeOrderedId } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Log } from '../base/log.ts';
import { S3Error } from '../base/s3-error.ts';
import { eventKey, eventPrefix, EVENTS } from '../meta/keyspace.ts';
import type { MetaStore, Row, Write } from '../meta/meta-store.ts';
import { decodeEvent, encodeEvent } from '../meta/record-codec.ts';
import type { EventRecord } from '../meta/records.ts';
import type { Bucket } from '../objects/contract.ts';
import {
  eventMatches,
  type NotificationConfiguration,
  type Subscription,
  subscriptionsOf,
} from '../s3/documents/notification.ts';
import {
  type EventOrigin,
  type EventSink,
  NOTIFICATION_CONFIG,
  type ObjectEvent,
} from '../s3/events.ts';
import { eventDocument, eventRecord, testDocument } from './event-document.ts';
import type { EventTarget } from './event-target.ts';

const RETRY_MS_MIN = 250;
const PARSED_MAX = 64;

export interface EventQueueOptions {
  readonly meta: MetaStore;
  readonly targets: readonly EventTarget[];
  readonly clock: Clock;
  readonly log: Log;
  readonly region: string;
}

interface Queued {
  readonly target: EventTarget;
  readonly record: EventRecord;
}

export class EventQueue implements EventSink {
  readonly targets: ReadonlySet<string>;
  readonly #options: EventQueueOptions;
  readonly #byArn: ReadonlyMap<string, EventTarget>;
  readonly #parsed = new Map<string, readonly Subscription[]>();
  /** Rows that wait, by name of target. */
  readonly #waiting = new Map<string, number>();
  readonly #couriers: readonly Courier[];
  #lastId = '';

  constructor(options: EventQueueOptions) {
    this.#options = options;
    this.#byArn = new Map(options.targets.map((target) => [target.arn, target]));
    this.targets = new Set(this.#byArn.keys());
    this.#couriers = options.targets.map(
      (target) => new Courier(options, target, (rows) => this.#count(target.name, -rows)),
    );
    for (const { name } of options.targets) this.#waiting.set(name, countRows(options.meta, name));
  }

  /** What earlier processes left is delivered from now on. */
  start(): void {
    for (const courier of this.#couriers) courier.wake();
  }

  async note(bucket: Bucket, events: readonly ObjectEvent[], origin: EventOrigin): Promise<void> {
    const { clock, region } = this.#options;
    const subscriptions = this.#subscriptions(bucket.configs.get(NOTIFICATION_CONFIG));
    const queued: Queued[] = [];
    for (const event of events) {
      for (const { id, arn } of subscriptions.filter((one) => wants(one, event))) {
        const target = this.#byArn.get(arn);
        // A target that the operator took away has no queue: the configuration speaks of nobody.
        if (target === undefined) continue;
        const text = eventRecord({
          bucket,
          event,
          origin,
          configurationId: id,
          region,
          timeMs: clock.now(),
          sequencer: timeOrderedId(clock),
        });
        queued.push({ target, record: { kind: 'record', text } });
      }
    }
    await this.#enqueue(queued);
  }

  async test(bucket: string, arn: string): Promise<void> {
    const target = this.#byArn.get(arn);
    if (target === undefined) return;
    const { clock } = this.#options;
    const text = testDocument(bucket, timeOrderedId(clock), clock.now());
    await this.#enqueue([{ target, record: { kind: 'test', text } }]);
  }

  /** Rows that wait for a target. */
  waiting(name: string): number {
    return this.#waiting.get(name) ?? 0;
  }

  async close(): Promise<void> {
    await Promise.all(this.#couriers.map((courier) => courier.stop()));
    await Promise.all(this.#options.targets.map((target) => target.close()));
  }

  #subscriptions(text: string | undefined): readonly Subscription[] {
    if (text === undefined) return [];
    const known = this.#parsed.get(text);
    if (known !== undefined) return known;
    if (this.#parsed.size >= PARSED_MAX) this.#parsed.clear();
    const parsed = subscriptionsOf(JSON.parse(text) as NotificationConfiguration);
    this.#parsed.set(text, parsed);
    return parsed;
  }

  async #enqueue(queued: readonly Queued[]): Promise<void> {
    for (const { target } of queued) {
      if (this.waiting(target.name) >= LIMITS.eventQueueRows) throw new S3Error('SlowDown');
    }
    for (let from = 0; from < queued.length; from += LIMITS.commitWrites) {
      const page = queued.slice(from, from + LIMITS.commitWrites);
      const writes = page.map(({ target, record }): Write => {
        const key = eventKey(target.name, this.#nextId());
        return { kind: 'put', key, value: encodeEvent(record) };
      });
      await this.#options.meta.commit({ partition: EVENTS, checks: [], writes });
      for (const { target } of page) this.#count(target.name, 1);
    }
    for (const courier of this.#couriers) {
      if (queued.some(({ target }) => target === courier.target)) courier.wake();
    }
  }

  /** Greater than the one before, also within a millisecond: events keep their order. */
  #nextId(): string {
    const id = timeOrderedId(this.#options.clock);
    const next = BigInt(`0x${this.#lastId === '' ? '0' : this.#lastId}`) + 1n;
    this.#lastId = id > this.#lastId ? id : next.toString(16).padStart(32, '0');
    return this.#lastId;
  }

  #count(name: string, rows: number): void {
    this.#waiting.set(name, this.waiting(name) + rows);
  }
}

/** Whether a subscription speaks of an event. */
export function wants(one: Subscription, { name, key }: ObjectEvent): boolean {
  return (
    key.startsWith(one.prefix) &&
    key.endsWith(one.suffix) &&
    one.events.some((pattern) => eventMatches(pattern, `s3:${name}`))
  );
}

/** Works off the rows of one target, one document at a time. */
class Courier {
  readonly target: EventTarget;
  readonly #options: EventQueueOptions;
  readonly #onGone: (rows: number) => void;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #woken = false;

  constructor(options: EventQueueOptions, target: EventTarget, onGone: (rows: number) => void) {
    this.#options = options;
    this.target = target;
    this.#onGone = onGone;
  }

  wake(): void {
    this.#woken = true;
    if (this.#running !== undefined || this.#stopping.signal.aborted) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      // Woken between the last look and here.
      if (this.#woken) this.wake();
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the server stops'));
    await this.#running;
  }

  async #run(): Promise<void> {
    let retryMs = RETRY_MS_MIN;
    while (this.#woken && !this.#stopping.signal.aborted) {
      this.#woken = false;
      for (let more = true; more && !this.#stopping.signal.aborted;) {
        try {
          more = await this.#deliverNext();
          retryMs = RETRY_MS_MIN;
        } catch (error) {
          if (this.#stopping.signal.aborted) return;
          const fields = { err: error, target: this.target.name, retryMs };
          this.#options.log.warn(fields, 'events could not be delivered, to be tried again');
          await this.#pause(retryMs);
          retryMs = Math.min(retryMs * 2, LIMITS.eventRetryMs);
        }
      }
    }
  }

  /** True when there may be more. Rows go only after the target took their document. */
  async #deliverNext(): Promise<boolean> {
    const { meta } = this.#options;
    const scan = { prefix: eventPrefix(this.target.name), limit: LIMITS.eventBatch };
    const rows = documentRows(meta.scan(EVENTS, scan).rows);
    if (rows.length === 0) return false;
    const records = rows.map(({ record }) => record);
    const [first] = records;
    const document =
      first?.kind === 'test' ? first.text : eventDocument(records.map(({ text }) => text));
    await this.target.deliver(document, this.#stopping.signal);
    const writes = rows.map(({ key }): Write => ({ kind: 'delete', key }));
    await meta.commit({ partition: EVENTS, checks: [], writes });
    this.#onGone(rows.length);
    return true;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#stopping;
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      timer.unref();
      signal.addEventListener('abort', end);
    });
  }
}

/** The rows that go into one document: a test event goes alone. */
function documentRows(rows: readonly Row[]): { key: Uint8Array; record: EventRecord }[] {
  const decoded = rows.map(({ key, value }) => ({ key, record: decodeEvent(value) }));
  const test = decoded.findIndex(({ record }) => record.kind === 'test');
  if (test < 0) return decoded;
  return test === 0 ? decoded.slice(0, 1) : decoded.slice(0, test);
}

function countRows(meta: MetaStore, target: string): number {
  let count = 0;
  let after: Uint8Array | undefined;
  for (let more = true; more;) {
    const scan = { prefix: eventPrefix(target), after, limit: LIMITS.scanRows };
    const page = meta.scan(EVENTS, scan);
    count += page.rows.length;
    after = page.rows.at(-1)?.key;
    more = page.more;
  }
  return count;
}
