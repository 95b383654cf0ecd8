/**
 * Opens the room: puts its parts together behind the contract and runs maintenance by timers. Also
 * the place to read what an `ObjectStore` is made of.
 *
 * Opening ends interrupted bucket deletions before the first request; reclaim rows and orphans of
 * earlier processes are worked off in the background.
 */
import { S3Error } from '../base/s3-error.ts';
import { decodeUploadKey, uploadScan } from '../meta/keyspace.ts';
import type { Row } from '../meta/meta-store.ts';
import { decodeUpload } from '../meta/record-codec.ts';
import { Amendments } from './amendments.ts';
import { Blobs, nextTurn } from './blobs.ts';
import { Buckets } from './buckets.ts';
import { Completion } from './completion.ts';
import { Context } from './context.ts';
import type { ObjectsOptions } from './context.ts';
import type { ObjectStore } from './contract.ts';
import type { Maintenance } from './maintenance.ts';
import { IndexRows } from './index-rows.ts';
import { Ingest } from './ingest.ts';
import { Lifecycle } from './lifecycle.ts';
import { Listings } from './listing.ts';
import { startMaintenance } from './maintenance-timers.ts';
import { Objects } from './objects.ts';
import { OrphanScrub } from './orphan-scrub.ts';
import { renameObject } from './rename.ts';
import { Reclaimer } from './reclaim.ts';
import { Uploads } from './uploads.ts';
import { VersionListings } from './version-listing.ts';
import { Versions } from './versions.ts';

const ROWS_AT_ONCE = 100;

export async function openObjects(options: ObjectsOptions): Promise<ObjectStore & Maintenance> {
  const parts = build(options);
  const { context, buckets, objects, amendments, uploads, completion, listings } = parts;
  const { versionListings, reclaimer, scrub, lifecycle } = parts;
  await buckets.load();
  reclaimer.load();

  const maintenance: Maintenance = {
    runReclaim: (nowMs) => reclaimer.run(nowMs),
    abortStaleUploads: (nowMs) => abortStaleUploads(context, buckets, uploads, nowMs),
    runLifecycle: (nowMs) => lifecycle.run(nowMs),
    scrubOrphans: () => scrub.run(),
    stats: () => ({ backlog: reclaimer.backlog(), leases: context.leases.size }),
  };
  const timers =
    options.timers === false
      ? undefined
      : startMaintenance(context, maintenance, reclaimer, lifecycle);

  return {
    createBucket: (create) => buckets.create(create),
    bucket: (name) => buckets.find(name).view,
    deleteBucket: (name) => buckets.delete(name),
    configureBucket: (name, config, change) => buckets.configure(name, config, change),
    listBuckets: (list) => buckets.list(list),

    put: (put, body) => objects.put(put, body),
    read: (bucket, key, read) => objects.read(bucket, key, read),
    copy: (copy) => objects.copy(copy),
    rename: (rename) => renameObject(parts, rename),
    delete: (bucket, key, del) => objects.delete(bucket, key, del),
    tags: (bucket, key, version) => amendments.tags(bucket, key, version),
    setTags: (bucket, key, tags, version) => amendments.setTags(bucket, key, tags, version),
    access: (bucket, key, version) => amendments.access(bucket, key, version),
    setAcl: (target, ownerId, acl) => amendments.setAcl(target, ownerId, acl),
    list: (bucket, list) => listings.list(bucket, list),
    setRetention: (target, retention, bypass) => amendments.setRetention(target, retention, bypass),
    setLegalHold: (target, legalHold) => amendments.setLegalHold(target, legalHold),
    lock: (target) => amendments.lock(target),
    listVersions: (bucket, list) => versionListings.list(bucket, list),
    createUpload: (create) => uploads.create(create),
    upload: (address) => uploads.upload(address),
    uploadChecksum: (address) => uploads.checksumOf(address),
    putPart: (address, number, body, signal, customerKey) =>
      uploads.putPart(address, number, body, signal, customerKey),
    copyPart: (address, number, source, range, signal, customerKey) =>
      uploads.copyPart({ address, number, source, range, signal, customerKey }),
    // A client that went away may ask again: what was begun is ended.
    completeUpload: (complete) => completion.complete(complete),
    abortUpload: (address) => uploads.abort(address),
    listParts: (address, list) => uploads.listParts(address, list),
    listUploads: (bucket, list) => listings.listUploads(bucket, list),

    ...maintenance,
    close: async () => {
      context.stopped = true;
      await timers?.stop();
      await reclaimer.settle();
    },
  };
}

/** What the room is made of: each part knows those before it. */
function build(options: ObjectsOptions) {
  const context = new Context(options);
  const buckets = new Buckets(context);
  const rows = new IndexRows(context, buckets);
  const blobs = new Blobs(context);
  const versions = new Versions(context, buckets, rows);
  const parts = { context, buckets, rows, blobs, ingest: new Ingest(context), versions };
  const objects = new Objects(parts);
  const amendments = new Amendments(buckets, rows, versions);
  const uploads = new Uploads(parts, objects);
  const completion = new Completion(parts, uploads);
  const listings = new Listings(context, buckets);
  const versionListings = new VersionListings(context, buckets, versions);
  const reclaimer = new Reclaimer(context, buckets, blobs);
  const scrub = new OrphanScrub(context, buckets);
  const lifecycle = new Lifecycle(parts, uploads, objects);

  buckets.onRetired = (bucketId) => reclaimer.retire(bucketId);
  rows.onReclaim = (partition, dueMs) => reclaimer.note(partition, dueMs);
  return {
    ...parts,
    objects,
    amendments,
    uploads,
    completion,
    listings,
    versionListings,
    reclaimer,
    scrub,
    lifecycle,
  };
}

/** Uploads that nobody completed for longer than the limit are aborted as a client would. */
async function abortStaleUploads(
  context: Context,
  buckets: Buckets,
  uploads: Uploads,
  nowMs: number,
): Promise<number> {
  let count = 0;
  const abort = async (bucket: string, row: Row): Promise<void> => {
    if (decodeUpload(row.value).initiatedMs + context.uploadMsMax > nowMs) return;
    const { key, uploadId } = decodeUploadKey(row.key);
    try {
      await uploads.abort({ bucket, key, uploadId });
      count += 1;
    } catch (error) {
      // It ended meanwhile, or its bucket did.
      if (!(error instanceof S3Error)) throw error;
    }
  };
  for (const { view, partitions } of [...buckets.all()]) {
    for (const partition of partitions) {
      let after: Uint8Array | undefined;
      for (let more = true; more && !context.stopped; await nextTurn()) {
        const { prefix } = uploadScan('');
        const page = context.meta.scan(partition, { prefix, after, limit: ROWS_AT_ONCE });
        for (const row of page.rows) await abort(view.name, row);
        after = page.rows.at(-1)?.key;
        more = page.more;
      }
    }
  }
  return count;
}
