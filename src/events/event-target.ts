/**
 * Where event documents go: a webhook, or a file with one document a line. Each target takes one
 * document whole or fails; it may get the same document again after a failure or a crash.
 *
 * Targets are named by the operator, never by a client: a bucket's configuration can only choose
 * among them. A webhook's redirect is not followed.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { LIMITS } from '../base/limits.ts';

export interface EventTargetSetting {
  readonly name: string;
  /** An http or https URL, or the absolute path of a file. */
  readonly place: string;
}

export interface EventTarget {
  readonly name: string;
  /** What a notification configuration calls it. */
  readonly arn: string;
  /** Resolves when the target has taken it; rejects when it has to be tried again. */
  deliver(document: string, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export function openTarget({ name, place }: EventTargetSetting): EventTarget {
  const web = /^https?:\/\//i.test(place);
  const arn = `arn:sluice:sqs::${name}:${web ? 'webhook' : 'file'}`;
  return web ? new Webhook(name, arn, place) : new EventFile(name, arn, place);
}

class Webhook implements EventTarget {
  readonly name: string;
  readonly arn: string;
  readonly #url: string;

  constructor(name: string, arn: string, url: string) {
    this.name = name;
    this.arn = arn;
    this.#url = url;
  }

  async deliver(document: string, signal: AbortSignal): Promise<void> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: document,
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIMITS.eventDeliveryMs)]),
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`the webhook answered ${response.status}`);
  }

  async close(): Promise<void> {}
}

class EventFile implements EventTarget {
  readonly name: string;
  readonly arn: string;
  readonly #path: string;

  constructor(name: string, arn: string, path: string) {
    this.name = name;
    this.arn = arn;
    this.#path = path;
  }

  /** Opened anew each time: whoever reads the file may have moved it away. */
  async deliver(document: string): Promise<void> {
    const file = await open(this.#path, 'a+', 0o600);
    try {
      const torn = await endsInsideLine(file);
      await file.appendFile(`${torn ? '\n' : ''}${document}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  async close(): Promise<void> {}
}

/** A crash may have left half a document: the next one must not be glued to it. */
async function endsInsideLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  await file.read(last, 0, 1, size - 1);
  return last[0] !== 0x0a;
}
