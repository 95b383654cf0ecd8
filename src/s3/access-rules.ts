/**
 * What a bucket's own configurations say of access: who owns its objects, its ACL, its policy and
 * its public access block. Stored texts are parsed once and remembered by the text itself, so that
 * a change is seen at once and a bucket without any costs one look at an empty map.
 */
import { z } from 'zod';
import { LIMITS } from '../base/limits.ts';
import type { Bucket } from '../objects/contract.ts';
import { decodeAcl, type Grant } from './acl/acl.ts';
import { isPublicPolicy } from './policy/exposure.ts';
import { parsePolicy, type Policy } from './policy/policy.ts';

export const OWNERSHIPS = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const;
export type Ownership = (typeof OWNERSHIPS)[number];

/** Names of the configurations beside the bucket. */
export const CONFIGS = {
  acl: 'acl',
  policy: 'policy',
  ownership: 'ownershipControls',
  publicAccess: 'publicAccessBlock',
} as const;

export const PUBLIC_ACCESS_FLAGS = [
  'BlockPublicAcls',
  'IgnorePublicAcls',
  'BlockPublicPolicy',
  'RestrictPublicBuckets',
] as const;

export type PublicAccessBlock = Readonly<Record<(typeof PUBLIC_ACCESS_FLAGS)[number], boolean>>;

export const NOTHING_BLOCKED: PublicAccessBlock = {
  BlockPublicAcls: false,
  IgnorePublicAcls: false,
  BlockPublicPolicy: false,
  RestrictPublicBuckets: false,
};

/** `removed`: somebody deleted the controls; ACLs then count, as before there were controls. */
const ownershipSchema = z.union([z.enum(OWNERSHIPS), z.literal('removed')]);
const publicAccessSchema: z.ZodType<PublicAccessBlock> = z.object({
  BlockPublicAcls: z.boolean(),
  IgnorePublicAcls: z.boolean(),
  BlockPublicPolicy: z.boolean(),
  RestrictPublicBuckets: z.boolean(),
});

export interface BucketPolicy {
  readonly policy: Policy;
  readonly isPublic: boolean;
}

/** Remembers what texts mean; bounded. */
class Parsed<Value> {
  readonly #parse: (text: string) => Value;
  readonly #known = new Map<string, Value>();

  constructor(parse: (text: string) => Value) {
    this.#parse = parse;
  }

  of(text: string): Value {
    let value = this.#known.get(text);
    if (value === undefined) {
      if (this.#known.size >= LIMITS.parsedConfigCount) this.#known.clear();
      value = this.#parse(text);
      this.#known.set(text, value);
    }
    return value;
  }
}

export class AccessRules {
  readonly defaultOwnership: Ownership;
  readonly #ownership = new Parsed((text) => ownershipSchema.parse(JSON.parse(text)));
  readonly #publicAccess = new Parsed((text) => publicAccessSchema.parse(JSON.parse(text)));
  readonly #policies = new WeakMap<Bucket, BucketPolicy & { readonly text: string }>();

  constructor(defaultOwnership: Ownership) {
    this.defaultOwnership = defaultOwnership;
  }

  ownership({ configs }: Bucket): Ownership {
    const text = configs.get(CONFIGS.ownership);
    if (text === undefined) return this.defaultOwnership;
    const said = this.#ownership.of(text);
    return said === 'removed' ? 'ObjectWriter' : said;
  }

  /** What GetBucketOwnershipControls tells; undefined: there are no controls. */
  statedOwnership({ configs }: Bucket): Ownership | undefined {
    const text = configs.get(CONFIGS.ownership);
    if (text !== undefined) {
      const said = this.#ownership.of(text);
      return said === 'removed' ? undefined : said;
    }
    // AWS gives every new bucket controls; where ACLs are the default there are none, as before.
    return this.defaultOwnership === 'ObjectWriter' ? undefined : this.defaultOwnership;
  }

  policy(bucket: Bucket): BucketPolicy | undefined {
    const text = bucket.configs.get(CONFIGS.policy);
    if (text === undefined) return undefined;
    let known = this.#policies.get(bucket);
    if (known?.text !== text) {
      // Who exists was asked when it was put; who went since is nobody.
      const policy = parsePolicy(text, { bucket: bucket.name, knows: () => true });
      known = { text, policy, isPublic: isPublicPolicy(policy) };
      this.#policies.set(bucket, known);
    }
    return known;
  }

  publicAccess({ configs }: Bucket): PublicAccessBlock {
    const text = configs.get(CONFIGS.publicAccess);
    return text === undefined ? NOTHING_BLOCKED : this.#publicAccess.of(text);
  }

  /** The ACL as stored; whether it counts is the ownership's business. */
  acl({ configs, ownerId }: Bucket): readonly Grant[] {
    return decodeAcl(configs.get(CONFIGS.acl), ownerId);
  }
}
