/**
 * A gateway for tests of the front end alone: answers by path, reads bodies by the real contract
 * of a feed, streams real arena blocks, and keeps a record of what the front end told it.
 */
import type { Arena, Block } from '../../src/memory/arena.ts';
import type { Transport } from '../../src/body/body.ts';
import { S3Error } from '../../src/base/s3-error.ts';
import type { Exchange, Gateway, RequestHead, S3Response } from '../../src/s3/request.ts';

export interface Outcome {
  readonly bytesSent: number;
  readonly aborted: boolean;
}

/** What happened to one request. */
export class Story {
  readonly head: RequestHead;
  readonly transport: Transport;
  received = 0;
  ended = false;
  aborted: Error | undefined;
  cancelled: Error | undefined;
  readonly outcomes: Outcome[] = [];
  /** While true, `push` asks for a pause. */
  full = false;
  answer: (response: S3Response) => void = () => {};
  readonly response: Promise<S3Response>;

  constructor(head: RequestHead, transport: Transport) {
    this.head = head;
    this.transport = transport;
    this.response = new Promise((resolve) => (this.answer = resolve));
  }

  /** Resolves when `condition` holds. */
  async until(condition: (story: this) => boolean, waitMs = 10_000): Promise<void> {
    const deadlineMs = Date.now() + waitMs;
    while (!condition(this)) {
      if (Date.now() > deadlineMs) throw new Error(`in vain: ${condition.toString()}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

export type Script = (story: Story) => void;

export class ScriptedGateway implements Gateway {
  readonly stories: Story[] = [];
  /** Called from `begin`: may answer at once, later, or when the body ended. */
  script: Script;
  wantsBody = true;

  constructor(script: Script) {
    this.script = script;
  }

  get last(): Story {
    const story = this.stories.at(-1);
    if (story === undefined) throw new Error('no request came');
    return story;
  }

  /** The story of request number `index`, as soon as it came. */
  async story(index: number): Promise<Story> {
    const deadlineMs = Date.now() + 10_000;
    for (;;) {
      const story = this.stories[index];
      if (story !== undefined) return story;
      if (Date.now() > deadlineMs) throw new Error(`request ${index} did not come`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  begin(head: RequestHead, transport: Transport): Exchange {
    const story = new Story(head, transport);
    this.stories.push(story);
    this.script(story);
    const feed = {
      push: (bytes: Uint8Array): boolean => {
        story.received += bytes.length;
        return !story.full;
      },
      end: (): void => {
        story.ended = true;
      },
      abort: (reason: Error): void => {
        story.aborted ??= reason;
        if (reason instanceof S3Error) story.answer(text(reason.status, reason.code));
      },
    };
    return {
      feed: this.wantsBody ? feed : undefined,
      response: story.response,
      cancel: (reason) => {
        story.cancelled ??= reason;
      },
      finished: (outcome) => story.outcomes.push(outcome),
    };
  }
}

export function text(status: number, body: string, more: Partial<S3Response> = {}): S3Response {
  return { status, headers: [['x-amz-request-id', 'R']], body, ...more };
}

/** A body of `count` full arena blocks; block n is filled with n. `fault` is thrown after them. */
export function blocksBody(
  arena: Arena,
  count: number,
  fault?: { readonly after: number; readonly error: Error },
): S3Response['body'] {
  async function* blocks(): AsyncGenerator<Block> {
    for (let index = 0; index < count; index += 1) {
      if (fault?.after === index) throw fault.error;
      const block = await arena.acquire('read');
      block.setWindow(0, arena.blockBytes);
      block.bytes.fill(index);
      yield block;
    }
  }
  return { length: count * arena.blockBytes, blocks: blocks() };
}
