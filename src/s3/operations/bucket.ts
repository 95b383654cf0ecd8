/** CreateBucket, HeadBucket, DeleteBucket and GetBucketLocation: parse and render. */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import { REPLICATIONS, type Replication } from '../../chunks/chunk-store.ts';
import type { Bucket } from '../../objects/contract.ts';
import { type OperationContext, operation } from '../operation.ts';
import type { S3Request } from '../request.ts';
import { bucketOf } from '../resource.ts';
import { escapeXml } from '../xml.ts';
import { CREATE_BUCKET } from '../documents/create-bucket.ts';
import { readAuthorized, readOptionalDocument, xmlResponse } from './document.ts';
import { refuseUnbuiltHeaders } from './object-headers.ts';
import { accessConfigs } from './ownership.ts';

const RESERVED_PREFIXES = ['xn--', 'sthree-', 'amzn-s3-demo-'];
const RESERVED_SUFFIXES = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3'];

/**
 * AWS's rules for general purpose buckets. Throws InvalidBucketName.
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
 */
export function checkBucketName(name: string): void {
  const wrong =
    !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) ||
    // Each label begins and ends as the name does.
    /\.[.-]|-\./.test(name) ||
    /^\d{1,3}(\.\d{1,3}){3}$/.test(name) ||
    RESERVED_PREFIXES.some((prefix) => name.startsWith(prefix)) ||
    RESERVED_SUFFIXES.some((suffix) => name.endsWith(suffix));
  if (wrong) throw new S3Error('InvalidBucketName', { fields: { BucketName: name } });
}

/** Buckets without a LocationConstraint are in the server's own region. */
export function regionOf(bucket: Bucket, serverRegion: string | undefined): string {
  return bucket.location === '' ? (serverRegion ?? 'us-east-1') : bucket.location;
}

interface Wanted {
  /** Empty when nobody said. */
  readonly location: string;
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly configs: ReadonlyMap<string, string>;
}

/** What a CreateBucketConfiguration, or its absence, asks for. */
export function parseWanted(text: string): Wanted {
  if (text.trim() === '') return { location: '', tags: undefined, configs: new Map() };
  const { LocationConstraint: location = '', Tags } = CREATE_BUCKET.parse(text);
  const set = Tags === undefined || Tags.Tag.length === 0 ? undefined : { TagSet: Tags };
  const configs = new Map(set === undefined ? [] : [['tagging', JSON.stringify(set)]]);
  const tags = set && Object.fromEntries(set.TagSet.Tag.map(({ Key, Value }) => [Key, Value]));
  return { location, tags, configs };
}

function parseReplication(request: S3Request): Replication | undefined {
  const value = request.headers.get('x-sluice-replication');
  if (value === undefined) return undefined;
  const known = REPLICATIONS.find((name) => name === value);
  if (known !== undefined) return known;
  throw new S3Error('InvalidArgument', {
    message: `Unknown replication. Known are: ${REPLICATIONS.join(' ')}`,
    fields: { ArgumentName: 'x-sluice-replication', ArgumentValue: value },
  });
}

/** With a configured region the constraint must name it; us-east-1 is spelt by leaving it out. */
function checkLocation(location: string, region: string | undefined): void {
  if (region === undefined) return;
  const named = location === '' ? 'us-east-1' : location;
  if (named !== region) {
    throw new S3Error('IllegalLocationConstraintException', {
      message:
        location === ''
          ? 'The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.'
          : `The ${location} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    });
  }
  if (location === 'us-east-1') throw new S3Error('InvalidLocationConstraint');
}

interface CreateInput {
  readonly name: string;
  readonly replication: Replication | undefined;
  /** What the bucket is born with. */
  readonly configs: ReadonlyMap<string, string>;
}

/** Object Lock needs versions. */
const LOCKED: ReadonlyMap<string, string> = new Map([
  ['versioning', 'Enabled'],
  ['object-lock', '{}'],
]);

export const createBucket = operation<CreateInput, Bucket>({
  action: 's3:CreateBucket',
  authorizes: 'document',
  body: 'document',
  documentBytesMax: LIMITS.configXmlBytes,
  parse: (request) => {
    const name = bucketOf(request);
    checkBucketName(name);
    refuseUnbuiltHeaders(request.headers);
    const locked =
      request.headers.get('x-amz-bucket-object-lock-enabled')?.toLowerCase() === 'true';
    const configs = locked ? LOCKED : new Map<string, string>();
    return { name, replication: parseReplication(request), configs };
  },
  run: async (context, input, body) => {
    const document = readOptionalDocument(body, LIMITS.configXmlBytes);
    const { location, configs: asked } = await readAuthorized(document, parseWanted, (said) => {
      const facts = said && { location: said.location || 'us-east-1', tags: said.tags };
      context.authorize('s3:CreateBucket', input.name, undefined, undefined, facts);
    });
    checkLocation(location, context.region);
    const { accounts, identity, request, rules } = context;
    const { ownerId } = identity;
    const access = accessConfigs(request.request, ownerId, rules, accounts);
    const configs = new Map([...input.configs, ...asked, ...access]);
    return context.objects.createBucket({ ...input, location, ownerId, configs });
  },
  render: (bucket) => ({
    status: 200,
    headers: [['Location', `/${bucket.name}`]],
    body: undefined,
  }),
});

interface BucketOutput {
  readonly bucket: Bucket;
  readonly region: string;
}

function findBucket(context: OperationContext, name: string): BucketOutput {
  const bucket = context.objects.bucket(name);
  return { bucket, region: regionOf(bucket, context.region) };
}

export const headBucket = operation<string, BucketOutput>({
  action: 's3:ListBucket',
  body: 'none',
  parse: bucketOf,
  run: findBucket,
  render: ({ region }) => ({
    status: 200,
    headers: [
      ['x-amz-bucket-region', region],
      ['x-amz-access-point-alias', 'false'],
      ['Content-Type', 'application/xml'],
    ],
    body: undefined,
    contentLength: 0,
  }),
});

export const deleteBucket = operation<string, void>({
  action: 's3:DeleteBucket',
  body: 'none',
  parse: bucketOf,
  run: (context, name) => context.objects.deleteBucket(name),
  render: () => ({ status: 204, headers: [], body: undefined }),
});

export const getBucketLocation = operation<string, BucketOutput>({
  action: 's3:GetBucketLocation',
  body: 'none',
  parse: bucketOf,
  run: findBucket,
  // The one answer whose root is the value itself; us-east-1 is spelt by leaving it empty.
  render: ({ region }) =>
    xmlResponse('LocationConstraint', region === 'us-east-1' ? '' : escapeXml(region)),
});
