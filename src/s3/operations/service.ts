/** ListBuckets: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { Bucket } from '../../objects/contract.ts';
import { operation } from '../operation.ts';
import type { S3Request } from '../request.ts';
import { element, timestamp } from '../xml.ts';
import { xmlResponse } from './document.ts';
import { regionOf } from './bucket.ts';
import { decodeToken, encodeToken } from './list-objects.ts';

interface ListInput {
  readonly prefix: string;
  readonly after: string;
  readonly limit: number;
  /** Only buckets of this region: a page may then hold fewer, and still be followed by more. */
  readonly region: string | undefined;
}

interface ListOutput {
  readonly input: ListInput;
  readonly buckets: readonly Bucket[];
  readonly truncated: boolean;
  readonly ownerId: string;
  readonly ownerName: string;
  readonly serverRegion: string | undefined;
}

/** Unlike other listings this one refuses what is out of range. */
function parseLimit(request: S3Request): number {
  const value = request.query.get('max-buckets') ?? '';
  if (value === '') return LIMITS.listBucketCount;
  const limit = /^\d{1,9}$/.test(value) ? Number(value) : 0;
  if (limit >= 1 && limit <= LIMITS.listBucketCount) return limit;
  throw new S3Error('InvalidArgument', {
    message: `Argument max-buckets must be an integer between 1 and ${LIMITS.listBucketCount}`,
    fields: { ArgumentName: 'max-buckets', ArgumentValue: value },
  });
}

export const listBuckets = operation<ListInput, ListOutput>({
  action: 's3:ListAllMyBuckets',
  body: 'none',
  parse: (request) => {
    const limit = parseLimit(request);
    const token = request.query.get('continuation-token');
    return {
      prefix: request.query.get('prefix') ?? '',
      after: token === undefined || token === '' ? '' : decodeToken(token),
      limit,
      region: request.query.get('bucket-region'),
    };
  },
  run: (context, input) => {
    const { ownerId, displayName } = context.identity;
    const { buckets, truncated } = context.objects.listBuckets({ ...input, ownerId });
    return {
      input,
      buckets,
      truncated,
      ownerId,
      ownerName: displayName,
      serverRegion: context.region,
    };
  },
  render: ({ input, buckets, truncated, ownerId, ownerName, serverRegion }) => {
    const wanted = buckets.filter(
      (bucket) => input.region === undefined || regionOf(bucket, serverRegion) === input.region,
    );
    const list = wanted.map(
      (bucket) =>
        `<Bucket>${element('Name', bucket.name)}` +
        element('CreationDate', timestamp(bucket.createdMs)) +
        `${element('BucketRegion', regionOf(bucket, serverRegion))}</Bucket>`,
    );
    const last = buckets.at(-1);
    const inner =
      `<Owner>${element('ID', ownerId)}${element('DisplayName', ownerName)}</Owner>` +
      `<Buckets>${list.join('')}</Buckets>` +
      (truncated && last !== undefined
        ? element('ContinuationToken', encodeToken(last.name))
        : '') +
      (input.prefix === '' ? '' : element('Prefix', input.prefix));
    return xmlResponse('ListAllMyBucketsResult', inner);
  },
});
