/**
 * The one table that turns a request into an operation: method, level, sub-resource, header.
 * Every operation that S3 knows stands here, built or not: a sub-resource that is not built
 * answers 501 by name and never falls through to the plain operation. First match wins.
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
import { S3Error } from '../base/s3-error.ts';
import type { OperationName } from './registry.ts';
import type { S3Request } from './request.ts';

export type Level = 'service' | 'bucket' | 'object';

export interface Route {
  readonly method: string;
  readonly level: Level;
  /** Query parameters that must be present, joined by `&`; `name=value` demands the value. */
  readonly query: string | undefined;
  /** Header that must be present; `name^=value` demands how its value starts. */
  readonly header: string | undefined;
  readonly operation: OperationName | { readonly notImplemented: string };
}

function route(
  method: string,
  level: Level,
  operation: OperationName,
  query?: string,
  header?: string,
): Route {
  return { method, level, query, header, operation };
}

/** Operations that are known and not built: `[method, sub-resource, AWS name]`. */
function unbuilt(level: Level, rows: readonly (readonly [string, string, string])[]): Route[] {
  return rows.map(([method, query, name]) => {
    const operation = { notImplemented: name };
    return { method, level, query: query === '' ? undefined : query, header: undefined, operation };
  });
}

const BUCKET_UNBUILT = unbuilt('bucket', [
  ['GET', 'abac', 'GetBucketAbac'],
  ['PUT', 'abac', 'PutBucketAbac'],
  ['GET', 'analytics&id', 'GetBucketAnalyticsConfiguration'],
  ['GET', 'analytics', 'ListBucketAnalyticsConfigurations'],
  ['PUT', 'analytics', 'PutBucketAnalyticsConfiguration'],
  ['DELETE', 'analytics', 'DeleteBucketAnalyticsConfiguration'],
  ['GET', 'intelligent-tiering&id', 'GetBucketIntelligentTieringConfiguration'],
  ['GET', 'intelligent-tiering', 'ListBucketIntelligentTieringConfigurations'],
  ['PUT', 'intelligent-tiering', 'PutBucketIntelligentTieringConfiguration'],
  ['DELETE', 'intelligent-tiering', 'DeleteBucketIntelligentTieringConfiguration'],
  ['GET', 'inventory&id', 'GetBucketInventoryConfiguration'],
  ['GET', 'inventory', 'ListBucketInventoryConfigurations'],
  ['PUT', 'inventory', 'PutBucketInventoryConfiguration'],
  ['DELETE', 'inventory', 'DeleteBucketInventoryConfiguration'],
  ['GET', 'metadataConfiguration', 'GetBucketMetadataConfiguration'],
  ['POST', 'metadataConfiguration', 'CreateBucketMetadataConfiguration'],
  ['DELETE', 'metadataConfiguration', 'DeleteBucketMetadataConfiguration'],
  ['PUT', 'metadataInventoryTable', 'UpdateBucketMetadataInventoryTableConfiguration'],
  ['PUT', 'metadataJournalTable', 'UpdateBucketMetadataJournalTableConfiguration'],
  ['GET', 'metadataTable', 'GetBucketMetadataTableConfiguration'],
  ['POST', 'metadataTable', 'CreateBucketMetadataTableConfiguration'],
  ['DELETE', 'metadataTable', 'DeleteBucketMetadataTableConfiguration'],
  ['GET', 'metrics&id', 'GetBucketMetricsConfiguration'],
  ['GET', 'metrics', 'ListBucketMetricsConfigurations'],
  ['PUT', 'metrics', 'PutBucketMetricsConfiguration'],
  ['DELETE', 'metrics', 'DeleteBucketMetricsConfiguration'],
  ['GET', 'replication', 'GetBucketReplication'],
  ['PUT', 'replication', 'PutBucketReplication'],
  ['DELETE', 'replication', 'DeleteBucketReplication'],
  ['GET', 'session', 'CreateSession'],
]);

const OBJECT_UNBUILT = unbuilt('object', [
  ['PUT', 'encryption', 'UpdateObjectEncryption'],
  ['POST', 'restore', 'RestoreObject'],
  ['POST', 'select', 'SelectObjectContent'],
  ['GET', 'torrent', 'GetObjectTorrent'],
]);

export const ROUTES: readonly Route[] = [
  route('GET', 'service', 'ListBuckets'),

  ...BUCKET_UNBUILT,
  route('GET', 'bucket', 'GetBucketAcl', 'acl'),
  route('PUT', 'bucket', 'PutBucketAcl', 'acl'),
  route('GET', 'bucket', 'GetBucketOwnershipControls', 'ownershipControls'),
  route('PUT', 'bucket', 'PutBucketOwnershipControls', 'ownershipControls'),
  route('DELETE', 'bucket', 'DeleteBucketOwnershipControls', 'ownershipControls'),
  route('GET', 'bucket', 'GetBucketPolicy', 'policy'),
  route('PUT', 'bucket', 'PutBucketPolicy', 'policy'),
  route('DELETE', 'bucket', 'DeleteBucketPolicy', 'policy'),
  route('GET', 'bucket', 'GetBucketPolicyStatus', 'policyStatus'),
  route('GET', 'bucket', 'GetPublicAccessBlock', 'publicAccessBlock'),
  route('PUT', 'bucket', 'PutPublicAccessBlock', 'publicAccessBlock'),
  route('DELETE', 'bucket', 'DeletePublicAccessBlock', 'publicAccessBlock'),
  route('GET', 'bucket', 'GetBucketAccelerateConfiguration', 'accelerate'),
  route('PUT', 'bucket', 'PutBucketAccelerateConfiguration', 'accelerate'),
  route('GET', 'bucket', 'GetBucketCors', 'cors'),
  route('PUT', 'bucket', 'PutBucketCors', 'cors'),
  route('DELETE', 'bucket', 'DeleteBucketCors', 'cors'),
  route('GET', 'bucket', 'GetBucketEncryption', 'encryption'),
  route('PUT', 'bucket', 'PutBucketEncryption', 'encryption'),
  route('DELETE', 'bucket', 'DeleteBucketEncryption', 'encryption'),
  route('GET', 'bucket', 'GetBucketLifecycleConfiguration', 'lifecycle'),
  route('PUT', 'bucket', 'PutBucketLifecycleConfiguration', 'lifecycle'),
  route('DELETE', 'bucket', 'DeleteBucketLifecycle', 'lifecycle'),
  route('GET', 'bucket', 'GetBucketLogging', 'logging'),
  route('PUT', 'bucket', 'PutBucketLogging', 'logging'),
  route('GET', 'bucket', 'GetBucketNotificationConfiguration', 'notification'),
  route('PUT', 'bucket', 'PutBucketNotificationConfiguration', 'notification'),
  route('GET', 'bucket', 'GetBucketRequestPayment', 'requestPayment'),
  route('PUT', 'bucket', 'PutBucketRequestPayment', 'requestPayment'),
  route('GET', 'bucket', 'GetBucketTagging', 'tagging'),
  route('PUT', 'bucket', 'PutBucketTagging', 'tagging'),
  route('DELETE', 'bucket', 'DeleteBucketTagging', 'tagging'),
  route('GET', 'bucket', 'GetBucketWebsite', 'website'),
  route('PUT', 'bucket', 'PutBucketWebsite', 'website'),
  route('DELETE', 'bucket', 'DeleteBucketWebsite', 'website'),
  route('GET', 'bucket', 'GetBucketLocation', 'location'),
  route('GET', 'bucket', 'GetObjectLockConfiguration', 'object-lock'),
  route('PUT', 'bucket', 'PutObjectLockConfiguration', 'object-lock'),
  route('GET', 'bucket', 'GetBucketVersioning', 'versioning'),
  route('PUT', 'bucket', 'PutBucketVersioning', 'versioning'),
  route('GET', 'bucket', 'ListObjectVersions', 'versions'),
  route('GET', 'bucket', 'ListMultipartUploads', 'uploads'),
  route('GET', 'bucket', 'ListObjectsV2', 'list-type=2'),
  route('GET', 'bucket', 'ListObjects'),
  route('PUT', 'bucket', 'CreateBucket'),
  route('HEAD', 'bucket', 'HeadBucket'),
  route('DELETE', 'bucket', 'DeleteBucket'),
  route('POST', 'bucket', 'DeleteObjects', 'delete'),
  {
    method: 'POST',
    level: 'bucket',
    query: undefined,
    header: 'content-type^=multipart/form-data',
    operation: 'PostObject',
  },
  {
    method: 'POST',
    level: 'bucket',
    query: undefined,
    header: 'x-amz-request-route',
    operation: { notImplemented: 'WriteGetObjectResponse' },
  },

  ...OBJECT_UNBUILT,
  route('GET', 'object', 'GetObjectAcl', 'acl'),
  route('PUT', 'object', 'PutObjectAcl', 'acl'),
  route('GET', 'object', 'GetObjectRetention', 'retention'),
  route('PUT', 'object', 'PutObjectRetention', 'retention'),
  route('GET', 'object', 'GetObjectLegalHold', 'legal-hold'),
  route('PUT', 'object', 'PutObjectLegalHold', 'legal-hold'),
  route('GET', 'object', 'GetObjectAttributes', 'attributes'),
  route('GET', 'object', 'GetObjectTagging', 'tagging'),
  route('PUT', 'object', 'PutObjectTagging', 'tagging'),
  route('DELETE', 'object', 'DeleteObjectTagging', 'tagging'),
  route('PUT', 'object', 'RenameObject', 'renameObject'),
  route('GET', 'object', 'ListParts', 'uploadId'),
  route('POST', 'object', 'CreateMultipartUpload', 'uploads'),
  route('POST', 'object', 'CompleteMultipartUpload', 'uploadId'),
  route('DELETE', 'object', 'AbortMultipartUpload', 'uploadId'),
  route('PUT', 'object', 'UploadPartCopy', 'uploadId', 'x-amz-copy-source'),
  route('PUT', 'object', 'UploadPart', 'uploadId'),
  route('PUT', 'object', 'UploadPart', 'partNumber'),
  route('PUT', 'object', 'CopyObject', undefined, 'x-amz-copy-source'),
  route('PUT', 'object', 'PutObject'),
  route('GET', 'object', 'GetObject'),
  route('HEAD', 'object', 'HeadObject'),
  route('DELETE', 'object', 'DeleteObject'),
];

/** Parameters that select something else than the plain operation, at whatever level. */
export const SUB_RESOURCES: ReadonlySet<string> = new Set(
  ROUTES.map(({ query }) => query?.split('&')[0] ?? '').filter(
    (name) => name !== '' && name !== 'partNumber' && !name.includes('='),
  ),
);

const BY_METHOD_AND_LEVEL: ReadonlyMap<string, readonly Route[]> = groupRoutes();

function groupRoutes(): ReadonlyMap<string, readonly Route[]> {
  const groups = new Map<string, Route[]>();
  for (const one of ROUTES) {
    const name = `${one.method} ${one.level}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [one]);
    else group.push(one);
  }
  return groups;
}

export function levelOf(request: S3Request): Level {
  if (request.bucket === undefined) return 'service';
  return request.key === undefined ? 'bucket' : 'object';
}

function asks(query: S3Request['query'], demand: string): boolean {
  return demand.split('&').every((parameter) => {
    const at = parameter.indexOf('=');
    return at < 0
      ? query.has(parameter)
      : query.get(parameter.slice(0, at)) === parameter.slice(at + 1);
  });
}

function matches(one: Route, request: S3Request): boolean {
  if (one.query !== undefined) {
    // The hot paths have no query at all.
    if (request.query.size === 0 || !asks(request.query, one.query)) return false;
  }
  if (one.header === undefined) return true;
  const [name = '', start = ''] = one.header.split('^=');
  return request.headers.get(name)?.toLowerCase().startsWith(start) ?? false;
}

/** Throws NotImplemented by name, or MethodNotAllowed. */
export function routeOf(request: S3Request): OperationName {
  const level = levelOf(request);
  for (const one of BY_METHOD_AND_LEVEL.get(`${request.method} ${level}`) ?? []) {
    if (!matches(one, request)) continue;
    if (typeof one.operation !== 'string') {
      throw new S3Error('NotImplemented', {
        message: `${one.operation.notImplemented} is not implemented.`,
        fields: { Operation: one.operation.notImplemented },
      });
    }
    // The plain operation: refuse rather than do it under a sub-resource that it does not have.
    if (one.query === undefined || one.query.includes('=')) refuseSubResource(request, level);
    return one.operation;
  }
  throw methodNotAllowed(request, level);
}

function refuseSubResource(request: S3Request, level: Level): void {
  for (const name of request.query.keys()) {
    if (SUB_RESOURCES.has(name)) throw methodNotAllowed(request, level);
  }
}

const ALLOWED: Readonly<Record<Level, string>> = {
  service: allowed('service'),
  bucket: allowed('bucket'),
  object: allowed('object'),
};

function allowed(level: Level): string {
  const methods = ROUTES.filter((one) => one.level === level).map((one) => one.method);
  return [...new Set(methods)].toSorted().join(', ');
}

function methodNotAllowed(request: S3Request, level: Level): S3Error {
  return new S3Error('MethodNotAllowed', {
    fields: { Method: request.method, ResourceType: level.toUpperCase() },
    headers: { Allow: ALLOWED[level] },
  });
}
