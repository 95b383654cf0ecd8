/** The queue between requests and targets: order, at-least-once, a target that is down. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { EventQueue } from '../../../src/events/event-queue.ts';
import { type EventTarget, openTarget } from '../../../src/events/event-target.ts';
import type { Bucket } from '../../../src/objects/contract.ts';
import type { EventOrigin } from '../../../src/s3/events.ts';
import { MemoryMetaStore } from '../../support/memory-meta-store.ts';

const ORIGIN: EventOrigin = {
  requestId: 'REQUEST',
  hostId: 'host',
  remoteAddress: '10.0.0.1',
  accessKeyId: 'AKID',
  ownerId: 'somebody',
};

/** Takes documents, or fails as often as it is told to. */
class ScriptedTarget implements EventTarget {
  readonly name: string;
  readonly arn: string;
  readonly documents: string[] = [];
  failures = 0;
  constructor(name: string) {
    this.name = name;
    this.arn = `arn:sluice:sqs::${name}:file`;
  }
  async deliver(document: string): Promise<void> {
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('down');
    }
    this.documents.push(document);
  }
  async close(): Promise<void> {}
}

let meta: MemoryMetaStore;
let queues: EventQueue[];
beforeEach(() => {
  meta = new MemoryMetaStore();
  queues = [];
});
afterEach(async () => {
  for (const queue of queues) await queue.close();
});

function openQueue(...targets: EventTarget[]): EventQueue {
  const clock = { now: () => 1_700_000_000_000 };
  const queue = new EventQueue({ meta, targets, clock, log: silentLog, region: 'us-east-1' });
  queues.push(queue);
  return queue;
}

interface Wish {
  readonly arn: string;
  readonly events?: readonly string[];
  readonly prefix?: string;
  readonly suffix?: string;
}

function bucketWith(...wishes: Wish[]): Bucket {
  const QueueConfiguration = wishes.map(({ arn, events, prefix, suffix }, index) => ({
    Id: `c${index}`,
    Queue: arn,
    Event: events ?? ['s3:ObjectCreated:*'],
    Filter: {
      S3Key: {
        FilterRule: [
          { Name: 'Prefix', Value: prefix ?? '' },
          { Name: 'suffix', Value: suffix ?? '' },
        ],
      },
    },
  }));
  const value = { TopicConfiguration: [], QueueConfiguration, CloudFunctionConfiguration: [] };
  return {
    id: '0'.repeat(32),
    volume: 's3v',
    name: 'bucket',
    ownerId: 'owner',
    createdMs: 0,
    location: '',
    replication: undefined,
    configs: new Map([['notification', JSON.stringify(value)]]),
  };
}

const keysOf = (documents: readonly string[]): string[] =>
  documents.flatMap((text) => {
    const { Records } = JSON.parse(text) as { Records: { s3: { object: { key: string } } }[] };
    return Records.map(({ s3 }) => s3.object.key);
  });
const put = (key: string) => ({ name: 'ObjectCreated:Put', key, size: 1, etag: 'e' });

async function until(done: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 10_000;
  while (!done()) {
    if (Date.now() > deadlineMs) throw new Error('not in time');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('an event', () => {
  it('goes to who asked for it, once, as S3 writes it', async () => {
    const a = new ScriptedTarget('a');
    const b = new ScriptedTarget('b');
    const queue = openQueue(a, b);
    const bucket = bucketWith(
      { arn: a.arn, prefix: 'in/', suffix: '.jpg' },
      { arn: b.arn, events: ['s3:ObjectRemoved:Delete'] },
    );
    const events = ['in/a b.jpg', 'out/b.jpg', 'in/c.png'].map(put);
    await queue.note(bucket, events, ORIGIN);
    await queue.note(bucket, [{ name: 'ObjectRemoved:Delete', key: 'x' }], ORIGIN);
    await until(() => a.documents.length + b.documents.length === 2);
    expect(keysOf(b.documents)).toEqual(['x']);
    expect(JSON.parse(a.documents[0] ?? '')).toMatchObject({
      Records: [
        {
          eventVersion: '2.1',
          eventSource: 'aws:s3',
          awsRegion: 'us-east-1',
          eventName: 'ObjectCreated:Put',
          userIdentity: { principalId: 'somebody' },
          requestParameters: { sourceIPAddress: '10.0.0.1' },
          responseElements: { 'x-amz-request-id': 'REQUEST', 'x-amz-id-2': 'host' },
          s3: {
            configurationId: 'c0',
            bucket: { name: 'bucket', arn: 'arn:aws:s3:::bucket' },
            object: { key: 'in/a+b.jpg', size: 1, eTag: 'e' },
          },
        },
      ],
    });
    await until(() => queue.waiting('a') + queue.waiting('b') === 0);
  });

  it('waits for a target that is down, in order, and holds up no other', async () => {
    const down = new ScriptedTarget('down');
    const up = new ScriptedTarget('up');
    down.failures = 2;
    const queue = openQueue(down, up);
    const bucket = bucketWith({ arn: down.arn, prefix: 'd' }, { arn: up.arn, prefix: 'u' });
    for (let n = 0; n < 250; n += 1) await queue.note(bucket, [put(`d${n}`), put(`u${n}`)], ORIGIN);
    await until(() => keysOf(up.documents).length === 250);
    expect(down.documents).toEqual([]);
    expect(queue.waiting('down')).toBe(250);
    await until(() => queue.waiting('down') === 0);
    expect(keysOf(down.documents)).toEqual(Array.from({ length: 250 }, (_, n) => `d${n}`));
    expect(keysOf(up.documents)).toEqual(Array.from({ length: 250 }, (_, n) => `u${n}`));
  });

  it('outlives the process', async () => {
    const before = new ScriptedTarget('t');
    before.failures = Infinity;
    const first = openQueue(before);
    await first.note(bucketWith({ arn: before.arn }), [put('kept')], ORIGIN);
    await first.close();
    const after = new ScriptedTarget('t');
    const second = openQueue(after);
    expect(second.waiting('t')).toBe(1);
    second.start();
    await until(() => second.waiting('t') === 0);
    expect(keysOf(after.documents)).toEqual(['kept']);
  });

  it('of a test goes alone', async () => {
    const target = new ScriptedTarget('t');
    target.failures = 1;
    const queue = openQueue(target);
    const bucket = bucketWith({ arn: target.arn });
    await queue.note(bucket, [put('before')], ORIGIN);
    await queue.test('bucket', target.arn);
    await queue.note(bucket, [put('after')], ORIGIN);
    await until(() => queue.waiting('t') === 0);
    const [first, second, third] = target.documents;
    expect(keysOf([first ?? '', third ?? ''])).toEqual(['before', 'after']);
    expect(JSON.parse(second ?? '')).toMatchObject({ Event: 's3:TestEvent', Bucket: 'bucket' });
  });
});

describe('a file', () => {
  it('takes a document a line, and never glues one to a torn line', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-events-'));
    try {
      const place = join(directory, 'events.json');
      const target = openTarget({ name: 'f', place });
      const { signal } = new AbortController();
      await target.deliver('{"a":1}', signal);
      await target.deliver('{"b":2}', signal);
      expect(readFileSync(place, 'utf8')).toBe('{"a":1}\n{"b":2}\n');
      writeFileSync(place, '{"a":1}\n{"to');
      await target.deliver('{"c":3}', signal);
      expect(readFileSync(place, 'utf8')).toBe('{"a":1}\n{"to\n{"c":3}\n');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
