/**
 * RenameObject: one commit puts the row at its new key and removes it from the old. No byte moves,
 * nothing is shared: whoever held the bytes by one key holds them by the other.
 *
 * Invariant: the commit checks both rows, so a rival of either makes it decide again. Both keys lie
 * in one index partition, or the rename is refused: no commit spans two.
 */
import { S3Error } from '../base/s3-error.ts';
import { objectKey } from '../meta/keyspace.ts';
import { decodeObject } from '../meta/object-codec.ts';
import { validatorsOf } from './attributes.ts';
import { checkCopySource, checkWrite } from './conditions.ts';
import type { RenameOptions } from './contract.ts';
import type { Decision, Situation } from './index-rows.ts';
import type { ObjectParts } from './objects.ts';
import { versioningOf } from './versions.ts';

export async function renameObject(parts: ObjectParts, options: RenameOptions): Promise<void> {
  const { bucket, key, source, conditions } = options;
  if (source.key === key) {
    throw new S3Error('InvalidRequest', { message: 'An object cannot be renamed to itself.' });
  }
  // The turn is the new key's alone: the old one's row is guarded by its revision.
  await parts.rows.mutate({ bucket, key, conditional: true }, (situation) =>
    decide(parts, situation, { key, source, conditions }),
  );
}

function decide(
  { buckets, context, rows }: ObjectParts,
  { bucket, current, partition }: Situation,
  { key, source, conditions }: Omit<RenameOptions, 'bucket'>,
): Decision<void> {
  if (versioningOf(bucket) !== undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'Objects of a bucket with versioning cannot be renamed.',
    });
  }
  if (buckets.partitionOf(bucket, source.key) !== partition) {
    throw new S3Error('NotImplemented', { message: 'The keys lie in different partitions.' });
  }
  const row = rows.row(bucket, source.key);
  if (row === undefined) throw new S3Error('NoSuchKey', { fields: { Key: source.key } });
  const record = decodeObject(row.value);
  checkCopySource(source.conditions, validatorsOf(record), 'x-amz-rename-source');
  checkWrite(conditions, key, current && validatorsOf(current.record));
  // It changes its place while a scrub may look for it.
  context.touched.note(record.data);
  return {
    result: undefined,
    checks: [{ key: row.key, rev: row.rev }],
    writes: [
      { kind: 'put', key: objectKey(key), value: row.value },
      { kind: 'delete', key: row.key },
    ],
    reclaim: rows.replaced(current),
  };
}
