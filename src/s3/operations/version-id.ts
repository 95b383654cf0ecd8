/** The `versionId` of a request and the headers that tell of versions in answers. */
import { S3Error } from '../../base/s3-error.ts';
import type { DeleteResult } from '../../objects/contract.ts';
import type { S3Request, S3Response } from '../request.ts';

type HeaderList = S3Response['headers'];

/** Undefined: the latest version. Whether there is such a version the store says. */
export function parseVersionId(request: S3Request): string | undefined {
  const version = request.query.get('versionId');
  if (version !== '') return version;
  throw new S3Error('InvalidArgument', {
    message: 'Version id cannot be the empty string',
    fields: { ArgumentName: 'versionId', ArgumentValue: '' },
  });
}

export function versionHeaders(versionId: string | undefined): HeaderList {
  return versionId === undefined ? [] : [['x-amz-version-id', versionId]];
}

export function deleteHeaders({ versionId, deleteMarker }: DeleteResult): HeaderList {
  const marker: HeaderList = deleteMarker ? [['x-amz-delete-marker', 'true']] : [];
  return [...marker, ...versionHeaders(versionId)];
}
