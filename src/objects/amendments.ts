/**
 * What may be changed about a version without writing it anew: tags, ACL, retention, legal hold.
 * The row of the same instance is rewritten: neither Last-Modified nor ETag change.
 */
import { S3Error } from '../base/s3-error.ts';
import { encodeObject } from '../meta/object-codec.ts';
import type { ObjectRecord } from '../meta/records.ts';
import { checkAttributes } from './attributes.ts';
import type { Buckets } from './buckets.ts';
import type { LockTarget, ObjectAccess, ObjectLock, Retention, TagsResult } from './contract.ts';
import type { IndexRows, Situation } from './index-rows.ts';
import { checkLockable, checkRetention } from './object-lock.ts';
import { checkVersionId, noSuchKey, versionIdOf, type Versions } from './versions.ts';

export class Amendments {
  readonly #buckets: Buckets;
  readonly #rows: IndexRows;
  readonly #versions: Versions;

  constructor(buckets: Buckets, rows: IndexRows, versions: Versions) {
    this.#buckets = buckets;
    this.#rows = rows;
    this.#versions = versions;
  }

  tags(bucketName: string, key: string, versionId?: string): TagsResult {
    const bucket = this.#buckets.find(bucketName);
    const record = this.#versions.existing(bucket, key, versionId);
    return { tags: record.tags, versionId: versionIdOf(bucket, record) };
  }

  async setTags(
    bucket: string,
    key: string,
    tags: Readonly<Record<string, string>>,
    versionId?: string,
  ): Promise<TagsResult> {
    return await this.#rewrite({ bucket, key, versionId }, (record, situation) => {
      checkAttributes({ ...record, tags });
      const result = { tags, versionId: versionIdOf(situation.bucket, record) };
      return { record: { ...record, tags }, result };
    });
  }

  /** Of what is there; nothing is said of a version that is not. */
  access(bucketName: string, key: string, versionId?: string): ObjectAccess | undefined {
    const bucket = this.#buckets.find(bucketName);
    const record = this.#versions.present(bucket, key, versionId);
    if (record === undefined) return undefined;
    const { ownerId, acl, tags } = record;
    return { ownerId, acl, tags };
  }

  async setAcl(target: LockTarget, ownerId: string, acl: string | undefined): Promise<void> {
    await this.#rewrite(target, (record) => {
      if (record.ownerId !== ownerId) throw new S3Error('OperationAborted');
      checkAttributes({ ...record, acl });
      return { record: { ...record, acl }, result: undefined };
    });
  }

  lock(target: LockTarget): ObjectLock {
    const bucket = this.#buckets.find(target.bucket);
    checkLockable(bucket, {});
    return this.#versions.existing(bucket, target.key, target.versionId).lock ?? {};
  }

  async setRetention(
    target: LockTarget,
    retention: Retention | undefined,
    bypassGovernance: boolean,
  ): Promise<void> {
    await this.#rewrite(target, (record, { bucket, nowMs }) => {
      checkLockable(bucket, {});
      checkRetention(record.lock?.retention, retention, nowMs, bypassGovernance);
      return { record: { ...record, lock: { ...record.lock, retention } }, result: undefined };
    });
  }

  async setLegalHold(target: LockTarget, legalHold: boolean): Promise<void> {
    await this.#rewrite(target, (record, { bucket }) => {
      checkLockable(bucket, {});
      return { record: { ...record, lock: { ...record.lock, legalHold } }, result: undefined };
    });
  }

  /** Rewrites the row of the same instance: neither Last-Modified nor ETag change. */
  async #rewrite<Result>(
    { bucket, key, versionId }: LockTarget,
    change: (
      record: ObjectRecord,
      situation: Situation,
    ) => { readonly record: ObjectRecord; readonly result: Result },
  ): Promise<Result> {
    if (versionId !== undefined) checkVersionId(versionId);
    return await this.#rows.mutate({ bucket, key, conditional: false }, (situation) => {
      const found = this.#versions.inSituation(situation, key, versionId);
      if (found === undefined || found.record.deleteMarker) {
        // Says what exactly is wrong.
        this.#versions.existing(situation.bucket, key, versionId);
        throw noSuchKey(key);
      }
      const { record, result } = change(found.record, situation);
      return {
        result,
        checks: [{ key: found.row.key, rev: found.row.rev }],
        writes: [{ kind: 'put', key: found.row.key, value: encodeObject(record) }],
      };
    });
  }
}
