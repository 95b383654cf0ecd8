/**
 * CreateBucketConfiguration: where a new bucket is and which tags it is born with. Elements of
 * directory buckets, which this server has not, are refused by name.
 */
import { S3Error } from '../../base/s3-error.ts';
import { many, type Node, optional, schema, struct, trimmed } from './schema.ts';
import { checkTagSet, tag } from './tags.ts';

const unbuilt: Node<never> = {
  parse: ({ name }) => {
    throw new S3Error('NotImplemented', {
      message: `CreateBucketConfiguration/${name} is not implemented.`,
    });
  },
  render: () => '',
};

export const CREATE_BUCKET = schema(
  'CreateBucketConfiguration',
  struct({
    LocationConstraint: optional(trimmed),
    Location: optional(unbuilt),
    Bucket: optional(unbuilt),
    Tags: optional(struct({ Tag: many(tag) })),
  }),
  ({ LocationConstraint = '', Tags }) => {
    if (!/^[A-Za-z0-9-]{0,64}$/.test(LocationConstraint)) {
      throw new S3Error('InvalidLocationConstraint');
    }
    if (Tags !== undefined) checkTagSet(Tags.Tag);
  },
);
