/**
 * The bytes of a shard on disk: the one place that knows them. A shard is one column of one
 * chunk, either a file of its own or an entry of a volume:
 *
 *   file:  [header unit][data, zero-padded to a unit][checksum table, padded to a unit]
 *   entry: [header unit, table inside][data, zero-padded to a unit]
 *
 * Everything starts and ends on 4 KiB units, so that O_DIRECT is possible. The header is written
 * last: a shard without a valid header was never acknowledged. Its checksum is seeded with the
 * datanode's id, which no client knows: bytes of a payload can never pass for a header.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { checksumOf } from './checksum.ts';
import { columnsOf, REPLICATIONS, type Replication } from './chunk-store.ts';

export const UNIT: number = LIMITS.unitBytes;
export const CHECK_BLOCK: number = LIMITS.checksumBlockBytes;
const MAGIC = Buffer.from('SLUICESH');
const VERSION = 1;
const TABLE_AT = 128;
const CHECKSUM_AT = UNIT - 8;

/** What a header says about its shard. */
export interface ShardHeader {
  readonly kind: 'file' | 'entry' | 'tombstone';
  readonly chunk: string;
  readonly column: number;
  readonly layout: Replication;
  readonly cellBytes: number;
  /** Payload bytes of this column. */
  readonly dataLength: number;
  readonly chunkLength: number;
  /** Entries: header and padded data. Files: 0. */
  readonly entryBytes: number;
}

const KINDS = ['file', 'entry', 'tombstone'] as const;

export function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

export function checkBlocksOf(dataLength: number): number {
  return Math.ceil(dataLength / CHECK_BLOCK);
}

export function entryBytesOf(dataLength: number): number {
  return UNIT + roundUp(dataLength, UNIT);
}

/** What the headers of a datanode are sealed with, from the id of its folder. */
export function headerSeed(datanodeId: string): bigint {
  return checksumOf(Buffer.from(datanodeId));
}

/** `table` holds one 8-byte little-endian xxHash64 per checksum block. */
export function encodeHeader(header: ShardHeader, table: Uint8Array, seed: bigint): Buffer {
  const unit = Buffer.alloc(UNIT);
  MAGIC.copy(unit, 0);
  unit.writeUInt16LE(VERSION, 8);
  unit.writeUInt16LE(KINDS.indexOf(header.kind), 10);
  unit.writeUInt8(header.column, 12);
  unit.writeUInt8(REPLICATIONS.indexOf(header.layout), 13);
  unit.write(header.chunk, 16, 16, 'hex');
  unit.writeUInt32LE(header.cellBytes, 32);
  unit.writeBigUInt64LE(BigInt(header.dataLength), 40);
  unit.writeBigUInt64LE(BigInt(header.chunkLength), 48);
  unit.writeBigUInt64LE(checksumOf(table), 56);
  unit.writeUInt32LE(header.entryBytes, 64);
  if (header.kind === 'entry') {
    assert(TABLE_AT + table.length <= CHECKSUM_AT, 'an entry keeps its table in its header');
    unit.set(table, TABLE_AT);
  }
  unit.writeBigUInt64LE(checksumOf(unit.subarray(0, CHECKSUM_AT), seed), CHECKSUM_AT);
  return unit;
}

/** Undefined for anything but a whole, undamaged header. */
export function decodeHeader(unit: Buffer, seed: bigint): ShardHeader | undefined {
  if (unit.length < UNIT || !unit.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const sum = checksumOf(unit.subarray(0, CHECKSUM_AT), seed);
  if (unit.readBigUInt64LE(CHECKSUM_AT) !== sum) return undefined;
  const kind = KINDS[unit.readUInt16LE(10)];
  const layout = REPLICATIONS[unit.readUInt8(13)];
  if (unit.readUInt16LE(8) !== VERSION || kind === undefined || layout === undefined) {
    return undefined;
  }
  return {
    kind,
    chunk: unit.toString('hex', 16, 32),
    column: unit.readUInt8(12),
    layout,
    cellBytes: unit.readUInt32LE(32),
    dataLength: Number(unit.readBigUInt64LE(40)),
    chunkLength: Number(unit.readBigUInt64LE(48)),
    entryBytes: unit.readUInt32LE(64),
  };
}

/** The table of an entry, from its header unit. */
export function entryTable(unit: Buffer, dataLength: number): Buffer {
  return unit.subarray(TABLE_AT, TABLE_AT + checkBlocksOf(dataLength) * 8);
}

/** True when `table` is the one that the header was sealed with. */
export function tableMatches(unit: Buffer, table: Uint8Array): boolean {
  return unit.readBigUInt64LE(56) === checksumOf(table);
}

/** Payload bytes that a column of a chunk holds: the same for every parity column. */
export function columnLength(
  layout: Replication,
  cellBytes: number,
  chunkLength: number,
  column: number,
): number {
  const { data } = columnsOf(layout);
  const stripe = data * cellBytes;
  const whole = Math.floor(chunkLength / stripe);
  const rest = chunkLength - whole * stripe;
  // Parity is as long as the longest data column: the first.
  const start = column < data ? column * cellBytes : 0;
  return whole * cellBytes + Math.min(Math.max(rest - start, 0), cellBytes);
}

/** Cell of a packed chunk: the payload spread evenly, in whole units. */
export function packedCellBytes(layout: Replication, chunkLength: number): number {
  return roundUp(Math.ceil(chunkLength / columnsOf(layout).data), UNIT);
}
