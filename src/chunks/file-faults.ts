/** What went wrong with a shard, as the datanode thread reports it. */
import { fstatSync } from 'node:fs';
import type { FailureKind } from './datanode-protocol.ts';

export class ShardFault extends Error {
  override readonly name = 'ShardFault';
  readonly failure: FailureKind;
  constructor(failure: FailureKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
  }
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Operating-system errors by what the store can do about them. */
export function toFault(error: unknown): ShardFault {
  if (error instanceof ShardFault) return error;
  const message = error instanceof Error ? error.message : String(error);
  switch (codeOf(error)) {
    case 'ENOENT':
      return new ShardFault('missing', message, error);
    case 'ENOSPC':
    case 'EDQUOT':
      return new ShardFault('full', message, error);
    default:
      return new ShardFault('unavailable', message, error);
  }
}

/** An open file takes writes and syncs also after it was removed; nobody would ever find them. */
export function refuseUnlinked(file: number): void {
  if (fstatSync(file).nlink === 0) {
    throw new ShardFault('unavailable', 'the file was removed behind the datanode');
  }
}
