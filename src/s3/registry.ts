/** Every built operation by its AWS name. A route to a missing one does not compile. */
import { getBucketAcl, getObjectAcl, putBucketAcl, putObjectAcl } from './operations/acl.ts';
import { createBucket, deleteBucket, getBucketLocation, headBucket } from './operations/bucket.ts';
import {
  bucketAccelerate,
  bucketCors,
  bucketLifecycle,
  bucketLogging,
  bucketNotification,
  bucketRequestPayment,
  bucketTagging,
  bucketWebsite,
} from './operations/configurations.ts';
import { deleteObjects } from './operations/delete-objects.ts';
import { bucketEncryption } from './operations/encryption.ts';
import { deleteObject, getObject, headObject } from './operations/get-object.ts';
import { getObjectAttributes } from './operations/object-attributes.ts';
import { listObjects, listObjectsV2 } from './operations/list-objects.ts';
import { listMultipartUploads, listParts } from './operations/list-uploads.ts';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  uploadPart,
  uploadPartCopy,
} from './operations/multipart.ts';
import {
  deleteBucketOwnershipControls,
  getBucketOwnershipControls,
  putBucketOwnershipControls,
} from './operations/ownership.ts';
import {
  deleteBucketPolicy,
  getBucketPolicy,
  getBucketPolicyStatus,
  putBucketPolicy,
} from './operations/policy.ts';
import {
  deletePublicAccessBlock,
  getPublicAccessBlock,
  putPublicAccessBlock,
} from './operations/public-access-block.ts';
import {
  getObjectLegalHold,
  getObjectLockConfiguration,
  getObjectRetention,
  putObjectLegalHold,
  putObjectLockConfiguration,
  putObjectRetention,
} from './operations/object-lock.ts';
import { postObject } from './operations/post-object.ts';
import { copyObject, putObject } from './operations/put-object.ts';
import { listObjectVersions } from './operations/list-versions.ts';
import { renameObject } from './operations/rename.ts';
import { listBuckets } from './operations/service.ts';
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './operations/tagging.ts';
import { getBucketVersioning, putBucketVersioning } from './operations/versioning.ts';
import type { BoundOperation } from './operation.ts';

export const OPERATIONS = {
  ListBuckets: listBuckets,
  CreateBucket: createBucket,
  HeadBucket: headBucket,
  DeleteBucket: deleteBucket,
  GetBucketLocation: getBucketLocation,
  ListObjects: listObjects,
  ListObjectsV2: listObjectsV2,
  PostObject: postObject,
  PutObject: putObject,
  CopyObject: copyObject,
  RenameObject: renameObject,
  GetObject: getObject,
  HeadObject: headObject,
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
  GetObjectAttributes: getObjectAttributes,
  GetObjectTagging: getObjectTagging,
  PutObjectTagging: putObjectTagging,
  DeleteObjectTagging: deleteObjectTagging,
  CreateMultipartUpload: createMultipartUpload,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
  CompleteMultipartUpload: completeMultipartUpload,
  AbortMultipartUpload: abortMultipartUpload,
  ListParts: listParts,
  ListMultipartUploads: listMultipartUploads,
  GetBucketAcl: getBucketAcl,
  PutBucketAcl: putBucketAcl,
  GetObjectAcl: getObjectAcl,
  PutObjectAcl: putObjectAcl,
  GetBucketPolicy: getBucketPolicy,
  PutBucketPolicy: putBucketPolicy,
  DeleteBucketPolicy: deleteBucketPolicy,
  GetBucketPolicyStatus: getBucketPolicyStatus,
  GetBucketOwnershipControls: getBucketOwnershipControls,
  PutBucketOwnershipControls: putBucketOwnershipControls,
  DeleteBucketOwnershipControls: deleteBucketOwnershipControls,
  GetPublicAccessBlock: getPublicAccessBlock,
  PutPublicAccessBlock: putPublicAccessBlock,
  DeletePublicAccessBlock: deletePublicAccessBlock,
  ListObjectVersions: listObjectVersions,
  GetBucketVersioning: getBucketVersioning,
  PutBucketVersioning: putBucketVersioning,
  GetObjectLockConfiguration: getObjectLockConfiguration,
  PutObjectLockConfiguration: putObjectLockConfiguration,
  GetObjectRetention: getObjectRetention,
  PutObjectRetention: putObjectRetention,
  GetObjectLegalHold: getObjectLegalHold,
  PutObjectLegalHold: putObjectLegalHold,
  GetBucketAccelerateConfiguration: bucketAccelerate.get,
  PutBucketAccelerateConfiguration: bucketAccelerate.put,
  GetBucketCors: bucketCors.get,
  PutBucketCors: bucketCors.put,
  DeleteBucketCors: bucketCors.remove,
  GetBucketEncryption: bucketEncryption.get,
  PutBucketEncryption: bucketEncryption.put,
  DeleteBucketEncryption: bucketEncryption.remove,
  GetBucketLifecycleConfiguration: bucketLifecycle.get,
  PutBucketLifecycleConfiguration: bucketLifecycle.put,
  DeleteBucketLifecycle: bucketLifecycle.remove,
  GetBucketLogging: bucketLogging.get,
  PutBucketLogging: bucketLogging.put,
  GetBucketNotificationConfiguration: bucketNotification.get,
  PutBucketNotificationConfiguration: bucketNotification.put,
  GetBucketRequestPayment: bucketRequestPayment.get,
  PutBucketRequestPayment: bucketRequestPayment.put,
  GetBucketTagging: bucketTagging.get,
  PutBucketTagging: bucketTagging.put,
  DeleteBucketTagging: bucketTagging.remove,
  GetBucketWebsite: bucketWebsite.get,
  PutBucketWebsite: bucketWebsite.put,
  DeleteBucketWebsite: bucketWebsite.remove,
} as const satisfies Readonly<Record<string, BoundOperation>>;

export type OperationName = keyof typeof OPERATIONS;
