/** ListBuckets: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type { Bucket } from '../../objects/contract.ts';
import { operation } from '../operation.ts';
import { element, xmlDocument } from '../xml.ts';
import { decodeToken, encodeToken, parseCount } from './list-objects.ts';

interface ListInput {
  readonly prefix: string;
  readonly after: string;
  readonly limit: number;
  /** Without paging parameters the answer carries none either, as AWS's old form. */
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

/** Buckets without a LocationConstraint are in the server's own region. */
function regionOf(bucket: Bucket, serverRegion: string | undefined): string {
  return bucket.location === '' ? (serverRegion ?? 'us-east-1') : bucket.location;
}

export const listBuckets = operation<ListInput, ListOutput>({
  action: 's3:ListAllMyBuckets',
  body: 'none',
  parse: (request) => {
    const limit = parseCount(request, 'max-buckets', LIMITS.listBucketCount);
    if (limit === 0) {
      throw new S3Error('InvalidArgument', {
        message: 'Argument max-buckets must be an integer between 1 and 10000',
        fields: { ArgumentName: 'max-buckets', ArgumentValue: '0' },
      });
    }
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
        element('CreationDate', new Date(bucket.createdMs).toISOString()) +
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
    return {
      status: 200,
      headers: [['Content-Type', 'application/xml']],
      body: xmlDocument('ListAllMyBucketsResult', inner),
    };
  },
});
