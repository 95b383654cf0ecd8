/**
 * Tags of buckets: the document and its rules. The rules of a single tag are those of objects;
 * only the number differs.
 */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import { checkTags } from '../operations/object-headers.ts';
import { many, one, schema, struct, text } from './schema.ts';

export const tag = struct({ Key: one(text), Value: one(text) });

export interface Tag {
  readonly Key: string;
  readonly Value: string;
}

/** Each tag by itself, and none of them twice. Throws InvalidTag. */
export function checkTagList(tags: readonly Tag[]): void {
  for (let from = 0; from < tags.length; from += LIMITS.tagCount) {
    checkTags(tags.slice(from, from + LIMITS.tagCount).map(({ Key, Value }) => [Key, Value]));
  }
  if (new Set(tags.map(({ Key }) => Key)).size === tags.length) return;
  throw new S3Error('InvalidTag', { message: 'Cannot provide multiple Tags with the same key' });
}

/** All tags of a bucket. Throws BadRequest, InvalidTag. */
export function checkTagSet(tags: readonly Tag[]): void {
  if (tags.length > LIMITS.bucketTagCount) {
    throw new S3Error('BadRequest', {
      message: `Bucket tag count cannot be greater than ${LIMITS.bucketTagCount}`,
    });
  }
  checkTagList(tags);
}

export const TAGGING = schema(
  'Tagging',
  struct({ TagSet: one(struct({ Tag: many(tag) })) }),
  ({ TagSet: { Tag } }) => checkTagSet(Tag),
);
