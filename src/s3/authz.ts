/**
 * What an identity may do. Decides as AWS does: an explicit deny anywhere ends it; then come the
 * owner's rights, the identity's own policy, the bucket's policy and, where they count, ACLs.
 * Everything that is not allowed is refused.
 *
 * Invariant: a bucket without configurations costs its owner two map lookups and nothing else.
 */
import { S3Error } from '../base/s3-error.ts';
import type { Bucket, ObjectAccess, ObjectStore } from '../objects/contract.ts';
import { type Account, type Accounts, isAnonymous } from './accounts.ts';
import { type AccessRules, CONFIGS, type BucketPolicy } from './access-rules.ts';
import { aclAllows, type Asker, decodeAcl, type Permission } from './acl/acl.ts';
import type { Action, Identity } from './operation.ts';
import {
  actionOfVersion,
  BUCKET_PERMISSIONS,
  type Demand,
  demandsOf,
  isOfObject,
  OBJECT_PERMISSIONS,
} from './policy/actions.ts';
import type { RequestFacts, Said } from './policy/condition-keys.ts';
import {
  allowsOnTerms,
  evaluate,
  type PolicyAsk,
  speaksOfDocuments,
  type Verdict,
} from './policy/evaluate.ts';
import { RESOURCE_START } from './policy/policy.ts';
import type { S3Request } from './request.ts';

/** What an action is done to. Undefined `versionId`: the latest. */
export interface Resource {
  readonly bucket: string | undefined;
  readonly key?: string | undefined;
  readonly versionId?: string | undefined;
}

export interface Authorizer {
  /**
   * Throws AccessDenied, or NoSuchBucket: as AWS, who may ask at all may know which buckets exist.
   * `request`, and what its document said, is what conditions of policies look at. `pending`: the
   * document is still to come and will be asked with; refuses only what it can't change.
   */
  authorize(
    identity: Identity,
    action: Action,
    resource: Resource,
    request: S3Request,
    said?: Said | 'pending',
  ): void;
}

export interface AuthorizerOptions {
  readonly objects: Pick<ObjectStore, 'bucket' | 'access' | 'upload'>;
  readonly accounts: Accounts;
  readonly rules: AccessRules;
  readonly clock: { now(): number };
}

/** Actions about no bucket that exists: anybody with a name may, unless a policy says otherwise. */
const WITHOUT_BUCKET: ReadonlySet<string> = new Set(['s3:ListAllMyBuckets', 's3:CreateBucket']);

/** A policy can't lock its owner out of itself. */
const POLICY_ACTIONS: ReadonlySet<string> = new Set([
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
  's3:DeleteBucketPolicy',
]);

const UPLOAD_ACTIONS: ReadonlySet<string> = new Set([
  's3:AbortMultipartUpload',
  's3:ListMultipartUploadParts',
]);

/** Who asks, and with what words. */
interface Asking {
  readonly identity: Identity;
  readonly account: Account | undefined;
  readonly request: S3Request;
  readonly said: Said | undefined;
}

/** One action on one resource by one identity, with everything that has a say in it. */
interface Case {
  readonly asker: Asker;
  readonly account: Account | undefined;
  readonly action: string;
  readonly bucket: Bucket;
  readonly key: string | undefined;
  readonly request: S3Request;
  readonly policy: BucketPolicy | undefined;
  readonly ask: PolicyAsk;
  /** The bucket is the asker's. */
  readonly own: boolean;
  /** ACLs count. */
  readonly acls: boolean;
  /** The object that is there; found out when somebody asks. */
  object(): ObjectAccess | undefined;
}

/** How something came to be allowed: writers by ACL own what they write, and its ACL. */
type Grounds = 'denied' | 'refused' | 'owner' | 'policy' | 'acl';

export class AccessAuthorizer implements Authorizer {
  readonly #options: AuthorizerOptions;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  authorize(
    identity: Identity,
    action: Action,
    resource: Resource,
    request: S3Request,
    said?: Said | 'pending',
  ): void {
    if (said !== 'pending') {
      this.#authorize(identity, action, resource, request, said);
      return;
    }
    try {
      this.#authorize(identity, action, resource, request, undefined);
    } catch (error) {
      if (!(error instanceof S3Error && error.code === 'AccessDenied')) throw error;
      if (!this.#waitsForDocument(identity, action, resource)) throw error;
    }
  }

  /** Whether a policy that has a say in it speaks of what documents say. */
  #waitsForDocument({ ownerId }: Identity, action: Action, { bucket: name }: Resource): boolean {
    const { accounts, objects, rules } = this.#options;
    const inline = accounts.byId(ownerId)?.policy;
    if (inline !== undefined && speaksOfDocuments(inline)) return true;
    if (name === undefined || WITHOUT_BUCKET.has(action)) return false;
    const policy = rules.policy(objects.bucket(name))?.policy;
    return policy !== undefined && speaksOfDocuments(policy);
  }

  #authorize(
    identity: Identity,
    action: Action,
    resource: Resource,
    request: S3Request,
    said: Said | undefined,
  ): void {
    const { bucket: bucketName, versionId } = resource;
    const account = this.#options.accounts.byId(identity.ownerId);
    const asking = { identity, account, request, said };
    if (bucketName === undefined || WITHOUT_BUCKET.has(action)) {
      this.#authorizeService(asking, action, bucketName);
      return;
    }
    const bucket = this.#options.objects.bucket(bucketName);
    if (bucket.ownerId === identity.ownerId && account?.policy === undefined) {
      const enforced = this.#options.rules.ownership(bucket) === 'BucketOwnerEnforced';
      if (enforced && !bucket.configs.has(CONFIGS.policy)) return;
    }
    const asked = actionOfVersion(action, versionId);
    const one = this.#caseOf(asking, asked, bucket, resource);
    const grounds = this.#decide(one);
    if (grounds === 'refused' && this.#mayMiss(one)) {
      // Reads find out by themselves. A change must not be let in: there may be an object by then.
      if (asked.startsWith('s3:Get')) return;
      const code = versionId === undefined ? 'NoSuchKey' : 'NoSuchVersion';
      throw new S3Error(code, { fields: { Key: resource.key ?? '' } });
    }
    if (grounds === 'denied' || grounds === 'refused') throw new S3Error('AccessDenied');
    for (const demand of demandsOf(asked, request, said)) {
      if (demand.existing !== true) this.#checkDemand(one, demand, grounds);
      else this.authorize(identity, demand.action, resource, request, said);
    }
    if (isMissing(one) && !this.#mayMiss(one)) throw new S3Error('AccessDenied');
  }

  #authorizeService(asking: Asking, action: string, bucket: string | undefined): void {
    const { account, identity, request, said } = asking;
    if (isAnonymous(identity)) throw new S3Error('AccessDenied');
    if (account?.policy === undefined) return;
    const facts = this.#factsOf(asking, undefined, () => undefined);
    const resource = bucket === undefined ? '*' : RESOURCE_START + bucket;
    const demands = demandsOf(action, request, said);
    for (const one of [action, ...demands.map((demand) => demand.action)]) {
      const verdict = evaluate(account.policy, { facts, action: one, resource });
      if (verdict === 'deny' || (verdict === 'none' && !account.admin)) {
        throw new S3Error('AccessDenied');
      }
    }
  }

  #factsOf(
    { identity, request, said }: Asking,
    bucket: Bucket | undefined,
    object: () => ObjectAccess | undefined,
  ): RequestFacts {
    return {
      request,
      said,
      principal: {
        id: identity.ownerId,
        name: identity.displayName,
        anonymous: isAnonymous(identity),
      },
      nowMs: this.#options.clock.now(),
      resourceAccount: bucket?.ownerId,
      existingTags: () => object()?.tags ?? {},
    };
  }

  #caseOf(asking: Asking, action: string, bucket: Bucket, { key, versionId }: Resource): Case {
    const { account, identity, request } = asking;
    const { objects, rules } = this.#options;
    let found: { readonly object: ObjectAccess | undefined } | undefined;
    const object = (): ObjectAccess | undefined => {
      found ??= {
        object: key === undefined ? undefined : objects.access(bucket.name, key, versionId),
      };
      return found.object;
    };
    const resource = RESOURCE_START + bucket.name + (key === undefined ? '' : `/${key}`);
    const facts = this.#factsOf(asking, bucket, object);
    return {
      asker: { id: identity.ownerId, anonymous: isAnonymous(identity) },
      account,
      action,
      bucket,
      key,
      request,
      policy: rules.policy(bucket),
      ask: { facts, action, resource },
      own: bucket.ownerId === identity.ownerId,
      acls: rules.ownership(bucket) !== 'BucketOwnerEnforced',
      object,
    };
  }

  #decide(one: Case): Grounds {
    const { account, ask, policy, own } = one;
    const admin = account?.admin === true;
    const inline: Verdict | undefined = account?.policy && evaluate(account.policy, ask);
    if (inline === 'deny') return 'denied';
    const said: Verdict = policy === undefined ? 'none' : evaluate(policy.policy, ask);
    if (said === 'deny' && !((own || admin) && POLICY_ACTIONS.has(one.action))) return 'denied';
    if (admin) return 'owner';
    const foreign = isForeign(one);
    const byPolicy = said === 'allow' && !foreign && (own || !this.#restricted(one));
    // Inside an account either policy is enough; across accounts both sides have to agree.
    if (own && !foreign) {
      if (byPolicy || inline === 'allow') return 'policy';
      return inline === undefined && this.#ownerMay(one) ? 'owner' : 'refused';
    }
    if (inline === 'none') return 'refused';
    if (byPolicy) return 'policy';
    if (UPLOAD_ACTIONS.has(one.action) && this.#isInitiator(one)) return 'owner';
    return one.acls && this.#aclMay(one) ? 'acl' : 'refused';
  }

  #restricted({ bucket, policy }: Case): boolean {
    if (policy?.isPublic !== true) return false;
    return this.#options.rules.publicAccess(bucket).RestrictPublicBuckets;
  }

  /** Who owns it may do everything with it, except what its ACL was made to withhold. */
  #ownerMay(one: Case): boolean {
    const { action, acls, bucket, key } = one;
    if (!acls) return true;
    const permission =
      key === undefined || BUCKET_PERMISSIONS.has(action)
        ? BUCKET_PERMISSIONS.get(action)
        : OBJECT_PERMISSIONS.get(action);
    if (permission !== 'READ' && permission !== 'WRITE') return true;
    if (BUCKET_PERMISSIONS.has(action)) {
      return !bucket.configs.has(CONFIGS.acl) || this.#bucketAclAllows(one, permission);
    }
    return one.object()?.acl === undefined || this.#objectAclAllows(one, permission);
  }

  #aclMay(one: Case): boolean {
    const { action, asker, key } = one;
    const ofBucket = BUCKET_PERMISSIONS.get(action);
    if (ofBucket !== undefined) return this.#bucketAclAllows(one, ofBucket);
    if (key === undefined) return false;
    const object = one.object();
    const owner = object?.ownerId === asker.id && !asker.anonymous;
    // By ACL nobody but the bucket's owner removes what versions keep.
    if (action === 's3:DeleteObjectVersion') return false;
    if (action === 's3:DeleteObject') {
      return (owner || object === undefined) && this.#bucketAclAllows(one, 'WRITE');
    }
    if (object === undefined) return false;
    const permission = OBJECT_PERMISSIONS.get(action);
    // Tags and the like have no permission of their own: they are the owner's.
    if (permission === undefined) return owner;
    if (owner && (object.acl === undefined || permission.endsWith('_ACP'))) return true;
    return this.#objectAclAllows(one, permission);
  }

  /** Who began an upload may list its parts and end it, whatever else is said. */
  #isInitiator({ asker, bucket, key, request }: Case): boolean {
    const uploadId = request.query.get('uploadId');
    if (uploadId === undefined || key === undefined || asker.anonymous) return false;
    try {
      const upload = this.#options.objects.upload({ bucket: bucket.name, key, uploadId });
      return (upload.initiatorId ?? upload.ownerId) === asker.id;
    } catch (error) {
      if (error instanceof S3Error && error.code === 'NoSuchUpload') return false;
      throw error;
    }
  }

  #bucketAclAllows({ asker, bucket }: Case, permission: Permission): boolean {
    const { rules } = this.#options;
    const { IgnorePublicAcls } = rules.publicAccess(bucket);
    return aclAllows(rules.acl(bucket), asker, permission, IgnorePublicAcls);
  }

  #objectAclAllows({ asker, bucket, object }: Case, permission: Permission): boolean {
    const found = object();
    if (found === undefined) return false;
    const { IgnorePublicAcls } = this.#options.rules.publicAccess(bucket);
    return aclAllows(decodeAcl(found.acl, found.ownerId), asker, permission, IgnorePublicAcls);
  }

  /** Who may list the bucket may also learn that there is no such object. */
  #mayMiss(one: Case): boolean {
    if (!isMissing(one)) return false;
    const listed: Case = {
      ...one,
      action: 's3:ListBucket',
      key: undefined,
      ask: { ...one.ask, action: 's3:ListBucket', resource: RESOURCE_START + one.bucket.name },
    };
    const grounds = this.#decide(listed);
    return grounds !== 'denied' && grounds !== 'refused';
  }

  #checkDemand(one: Case, demand: Demand, grounds: Grounds): void {
    const { action, keys } = demand;
    const also: Case = { ...one, action, ask: { ...one.ask, action } };
    // What is written now has no owner yet: only who may write has a say, not who wrote before.
    const fresh = { ...also, object: () => undefined };
    const decided = this.#decide(fresh);
    if (decided === 'denied') throw new S3Error('AccessDenied');
    if (decided !== 'refused') return;
    const theirs = grounds === 'acl' && action === 's3:PutObjectAcl';
    const onTerms = one.policy !== undefined && allowsOnTerms(one.policy.policy, one.ask, keys);
    if (!theirs && !(grounds === 'policy' && onTerms)) throw new S3Error('AccessDenied');
  }
}

/** An object of somebody else, to which the bucket owner's word does not reach. */
function isForeign({ action, acls, bucket, key, object }: Case): boolean {
  if (!acls || key === undefined || !isOfObject(action)) return false;
  const found = object();
  return found !== undefined && found.ownerId !== bucket.ownerId;
}

/** Asked for something of an object where there is none. */
function isMissing({ action, key, object }: Case): boolean {
  return key !== undefined && isOfObject(action) && object() === undefined;
}
