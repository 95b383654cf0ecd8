/**
 * One client's endless mixed load on keys of its own: PUT in all three storage classes of size
 * (in the row, packed, striped), overwrite, copy, delete, multipart with part copies and aborts.
 * Ends when the connection is cut.
 */
import type { Client, Reply } from './client.ts';
import { type Content, fill, type Model, random, type State } from './model.ts';

export const BUCKET = 'crash';
const KIB = 1024;
const PART_BYTES = 5 * KIB * KIB;

/** Weighted towards the small, as real load is; each class of storage is met often. */
function pickSize(next: () => number): number {
  const roll = next();
  if (roll < 0.35) return Math.floor(next() * 16 * KIB);
  if (roll < 0.7) return 16 * KIB + Math.floor(next() * 500 * KIB);
  if (roll < 0.95) return 512 * KIB + Math.floor(next() * 2 * KIB * KIB);
  return 3 * KIB * KIB + Math.floor(next() * 6 * KIB * KIB);
}

export class Workload {
  readonly #client: Client;
  readonly #model: Model;
  readonly #name: string;
  readonly #next: () => number;
  /** Uploads begun and neither completed nor aborted for certain. */
  readonly uploads: { readonly key: string; readonly uploadId: string }[] = [];

  constructor(client: Client, model: Model, name: string, seed: number) {
    this.#client = client;
    this.#model = model;
    this.#name = name;
    this.#next = random(seed);
  }

  /** Resolves when the connection is cut; throws on an answer no server may give. */
  async run(): Promise<void> {
    try {
      for (;;) await this.#step();
    } catch (error) {
      if (error instanceof WrongAnswer) throw error;
    } finally {
      this.#client.close();
    }
  }

  #key(): string {
    return `${this.#name}/key-${Math.floor(this.#next() * 24)}`;
  }

  async #step(): Promise<void> {
    const roll = this.#next();
    if (roll < 0.55) await this.#put(this.#key());
    else if (roll < 0.72) await this.#delete(this.#key());
    else if (roll < 0.86) await this.#copy(this.#key(), this.#key());
    else if (roll < 0.94) await this.#multipart(this.#key());
    else await this.#check(this.#key());
  }

  #fresh(size: number, parts: readonly number[] = [size]): Content {
    return { seed: Math.floor(this.#next() * 2 ** 31), size, parts };
  }

  async #mutate(key: string, outcome: State, request: () => Promise<Reply>): Promise<void> {
    this.#model.begin(key, outcome);
    const reply = await request();
    if (reply.status >= 300) throw new WrongAnswer(`${key}: ${reply.status} ${reply.body}`);
    this.#model.acknowledge(key, outcome);
  }

  /** Most objects in the clear, some under either kind of key; copies cross from one to another. */
  #encryption(): Record<string, string> {
    const roll = this.#next();
    if (roll < 0.6) return {};
    return { 'x-amz-server-side-encryption': roll < 0.8 ? 'AES256' : 'aws:kms' };
  }

  async #put(key: string): Promise<void> {
    const content = this.#fresh(pickSize(this.#next));
    const body = fill(content.seed, content.size);
    const options = { body, headers: this.#encryption() };
    await this.#mutate(key, content, () => this.#client.call('PUT', `/${BUCKET}/${key}`, options));
  }

  async #delete(key: string): Promise<void> {
    await this.#mutate(key, 'absent', () => this.#client.call('DELETE', `/${BUCKET}/${key}`));
  }

  async #copy(from: string, to: string): Promise<void> {
    const source = this.#model.known(from);
    if (source === 'absent' || from === to) return;
    const headers = { ...this.#encryption(), 'x-amz-copy-source': `/${BUCKET}/${from}` };
    await this.#mutate(to, source, () => this.#client.call('PUT', `/${BUCKET}/${to}`, { headers }));
  }

  async #multipart(key: string): Promise<void> {
    const tail = pickSize(this.#next) + 1;
    const content = this.#fresh(PART_BYTES + tail, [PART_BYTES, tail]);
    const bytes = contentBytes(content);
    const path = `/${BUCKET}/${key}`;
    const headers = this.#encryption();
    const created = await this.#client.call('POST', path, { query: 'uploads=', headers });
    const uploadId = /<UploadId>([^<]+)</.exec(created.body)?.[1];
    if (uploadId === undefined) throw new WrongAnswer(`create: ${created.status} ${created.body}`);
    this.uploads.push({ key, uploadId });
    const etags: string[] = [];
    let at = 0;
    for (const [index, size] of content.parts.entries()) {
      const query = `partNumber=${index + 1}&uploadId=${encodeURIComponent(uploadId)}`;
      const body = bytes.subarray(at, at + size);
      const part = await this.#client.call('PUT', path, { query, body });
      if (part.status !== 200) throw new WrongAnswer(`part: ${part.status} ${part.body}`);
      etags.push(/\r\netag: *"?([0-9a-f]+)/i.exec(part.head)?.[1] ?? '');
      at += size;
    }
    const query = `uploadId=${encodeURIComponent(uploadId)}`;
    if (this.#next() < 0.25) {
      await this.#client.call('DELETE', path, { query });
      return;
    }
    const list = etags.map(
      (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
    );
    const body = Buffer.from(`<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`);
    await this.#mutate(key, content, () => this.#client.call('POST', path, { query, body }));
  }

  async #check(key: string): Promise<void> {
    const known = this.#model.known(key);
    const seen = await readState(this.#client, key, [known]);
    if (seen === undefined) throw new WrongAnswer(`${key}: read something never written`);
  }
}

export class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer';
}

/** Parts are filled one by one, so that a swapped or missing part shows. */
export function contentBytes(content: Content): Buffer {
  return Buffer.concat(content.parts.map((size, index) => fill(content.seed + index, size)));
}

/** Which of the legal states the key is in; undefined when it is in none of them. */
export async function readState(
  client: Client,
  key: string,
  legal: readonly State[],
): Promise<State | undefined> {
  const reply = await client.call('GET', `/${BUCKET}/${key}`);
  if (reply.status === 404) return legal.includes('absent') ? 'absent' : undefined;
  if (reply.status !== 200) throw new WrongAnswer(`${key}: ${reply.status} ${reply.body}`);
  return legal.find(
    (state) =>
      state !== 'absent' &&
      state.size === reply.bytes.length &&
      contentBytes(state).equals(reply.bytes),
  );
}
