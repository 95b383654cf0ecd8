/**
 * Who asks. Yields the only value that operations accept: a `VerifiedRequest` can be made here
 * and nowhere else. Verifies signature, scope, clock and signed headers; compares in constant
 * time. The body is verified later, against what is promised here.
 */
import { equalTextConstantTime } from '../base/bytes.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { ChunkSigner } from '../body/body.ts';
import { ANONYMOUS } from './accounts.ts';
import { ecdsaKey, ecdsaProves } from '../body/ecdsa-chain.ts';
import { assert } from '../base/assert.ts';
import { mismatch, oldForm, otherScheme, twoMechanisms, wrongScope } from './authn-faults.ts';
import type { Identity } from './operation.ts';
import { type SizeRange, checkPolicy, parsePolicy } from './post-form/policy.ts';
import { type FormSignature, formSignatureOf, parseFormSignature } from './post-form/signature.ts';
import { checkClockV2, formOfV2, parseV2, signatureV2, stringsToSignV2 } from './sigv2.ts';
import { ALGORITHM_V4A, checkRegionSet, parseV4A, publicPointOf, usesV4A } from './sigv4a.ts';
import { withQueryHeaders } from './query-headers.ts';
import type { S3Request } from './request.ts';
import {
  ALGORITHM,
  UNSIGNED_PAYLOAD,
  type Presented,
  canonicalRequest,
  dateMissing,
  deriveSigningKey,
  parseAmzDate,
  parseAuthorization,
  parsePresigned,
  scopeOf,
  signatureOf,
  stringToSign,
} from './sigv4.ts';

declare const verified: unique symbol;

export interface VerifiedRequest {
  readonly [verified]: true;
  /** With the headers that a presigned query carries. */
  readonly request: S3Request;
  readonly identity: Identity;
  /** What the request says of its payload: a hex hash, UNSIGNED-PAYLOAD or STREAMING-…. */
  readonly payloadHash: string;
  /** For chunk signatures; undefined without a verified signature. */
  readonly signer: ChunkSigner | undefined;
}

/** The only maker of verified requests: everything that comes in here was verified. */
function seal(fields: Omit<VerifiedRequest, typeof verified>): VerifiedRequest {
  return fields as VerifiedRequest;
}

export interface Credential {
  readonly secret: string;
  readonly ownerId: string;
  readonly displayName: string;
}

export interface CredentialStore {
  /** A hot, synchronous answer. */
  lookup(accessKeyId: string): Credential | undefined;
}

export interface AuthnOptions {
  readonly credentials: CredentialStore;
  /** Strict when set; undefined: the region that the scope names. */
  readonly region: string | undefined;
  /** Accepts any key, any signature, and none at all. */
  readonly insecure: boolean;
  /** Signature version 2 is accepted beside version 4. */
  readonly sigv2?: boolean | undefined;
  /** The owner that insecure requests act for. */
  readonly insecureOwner: Identity;
}

/** Version 4A verifies with a public key instead. */
const NO_KEY = new Uint8Array(0);

export class Authenticator {
  readonly #options: AuthnOptions;
  readonly #signingKeys = new Map<string, Buffer>();

  constructor(options: AuthnOptions) {
    this.#options = options;
  }

  /** Throws S3Error with AWS's code for the first thing that is wrong. */
  authenticate(request: S3Request, nowMs: number): VerifiedRequest {
    if (this.#options.insecure) return this.#insecure(request);
    const authorization = request.headers.get('authorization');
    const presigned = request.query.has('X-Amz-Algorithm') || request.query.has('X-Amz-Signature');
    const version2 = formOfV2(request);
    if (authorization !== undefined && (presigned || version2 === 'query')) {
      throw twoMechanisms(authorization);
    }
    if (version2 !== undefined) return this.#verifyV2(request, nowMs);
    if (usesV4A(request)) return this.#verifyV4A(request, nowMs);
    if (presigned) return this.#verify(request, parsePresigned(request), nowMs);
    if (authorization === undefined || authorization === '') return anonymous(request);
    if (!authorization.startsWith(`${ALGORITHM} `)) throw otherScheme(authorization);
    return this.#verify(request, parseAuthorization(request, authorization), nowMs);
  }

  #verify(request: S3Request, presented: Presented, nowMs: number): VerifiedRequest {
    this.#checkScope(presented);
    checkClock(presented, nowMs);
    checkSignedHeaders(request, presented);
    const signedHash = signedPayloadHash(request, presented);
    const { accessKeyId } = presented;
    const { ownerId, displayName, secret } = this.#credential(accessKeyId);
    if (sentToken(request)) throw new S3Error('InvalidToken');
    const keyName = `${presented.day}\n${presented.region}\n${secret}`;
    const known = this.#signingKeys.get(keyName);
    const signingKey = known ?? deriveSigningKey(secret, presented);
    const canonical = canonicalRequest(request, presented.signedHeaders, signedHash);
    const text = stringToSign(presented, canonical);
    if (!equalTextConstantTime(presented.signature, signatureOf(signingKey, text))) {
      throw mismatch({
        accessKeyId,
        signature: presented.signature,
        stringToSign: text,
        canonicalRequest: canonical,
      });
    }
    // Only what a holder of the secret asked for is remembered.
    if (known === undefined) this.#remember(keyName, signingKey);
    const { signature: seed, date } = presented;
    const query = presented.form === 'query';
    return seal({
      request: query ? withQueryHeaders(request) : request,
      identity: { accessKeyId, ownerId, displayName },
      payloadHash: query ? sentPayloadHash(request, signedHash) : signedHash,
      signer: { seed, signingKey, scope: scopeOf(presented), date },
    });
  }

  /** As version 4, but for the regions, which stand in a header of their own, and the proof. */
  #verifyV4A(request: S3Request, nowMs: number): VerifiedRequest {
    const presented = parseV4A(request);
    const { accessKeyId, form, signature } = presented;
    checkRegionSet(request, form, this.#options.region);
    this.#checkScope({ ...presented, region: this.#options.region });
    checkClock(presented, nowMs);
    checkSignedHeaders(request, presented);
    const signedHash = signedPayloadHash(request, presented);
    const { secret, ownerId, displayName } = this.#credential(accessKeyId);
    if (sentToken(request)) throw new S3Error('InvalidToken');
    const canonical = canonicalRequest(request, presented.signedHeaders, signedHash);
    const text = stringToSign(presented, canonical, ALGORITHM_V4A);
    const keyName = `${accessKeyId}\n${secret}`;
    const point = this.#signingKeys.get(keyName) ?? publicPointOf(accessKeyId, secret);
    if (!ecdsaProves(ecdsaKey(point), text, signature)) {
      throw mismatch({ accessKeyId, signature, stringToSign: text, canonicalRequest: canonical });
    }
    this.#remember(keyName, point);
    const query = form === 'query';
    return seal({
      request: query ? withQueryHeaders(request) : request,
      identity: { accessKeyId, ownerId, displayName },
      payloadHash: query ? sentPayloadHash(request, signedHash) : signedHash,
      signer: {
        seed: signature,
        signingKey: NO_KEY,
        publicPoint: point,
        scope: scopeOf(presented),
        date: presented.date,
      },
    });
  }

  #verifyV2(request: S3Request, nowMs: number): VerifiedRequest {
    if (this.#options.sigv2 !== true) throw oldForm();
    const presented = parseV2(request);
    checkClockV2(presented, nowMs);
    const { accessKeyId, signature } = presented;
    const { secret, ownerId, displayName } = this.#credential(accessKeyId);
    if (sentToken(request)) throw new S3Error('InvalidToken');
    const texts = stringsToSignV2(request, presented);
    const proved = texts.some((text) =>
      equalTextConstantTime(signature, signatureV2(secret, text)),
    );
    if (!proved) throw mismatch({ accessKeyId, signature, stringToSign: texts[0] ?? '' });
    const payloadHash = request.headers.get('x-amz-content-sha256') ?? UNSIGNED_PAYLOAD;
    // Chunks are signed by version 4 only: nothing could verify these.
    if (payloadHash.startsWith('STREAMING-AWS4-')) throw oldForm();
    const identity = { accessKeyId, ownerId, displayName };
    return seal({ request, identity, payloadHash, signer: undefined });
  }

  /**
   * A posted form, as `formRequest` reads it: nobody's, or signed by its policy, which then holds
   * for every field. Answers how long the file may be, which only its end can tell.
   */
  authenticateForm(request: S3Request, nowMs: number): VerifiedRequest & { file: SizeRange } {
    const { bucket, form } = request;
    assert(form !== undefined && bucket !== undefined, 'a form posted to a bucket');
    const signature = parseFormSignature(form);
    const identity = this.#signerOf(request, signature, nowMs);
    const fields = new Map([...form, ['bucket', bucket]]);
    const file =
      signature === undefined
        ? { sizeMin: 0, sizeMax: LIMITS.putBytes }
        : checkPolicy(parsePolicy(signature.policy), fields, nowMs);
    const verified = seal({ request, identity, payloadHash: UNSIGNED_PAYLOAD, signer: undefined });
    return { ...verified, file };
  }

  #signerOf(request: S3Request, signature: FormSignature | undefined, nowMs: number): Identity {
    if (this.#options.insecure) return this.#options.insecureOwner;
    const header = request.head.headers.find(([name]) => name === 'authorization');
    if (header !== undefined) throw twoMechanisms(header[1]);
    if (signature === undefined) return ANONYMOUS;
    if (signature.version === 4) {
      this.#checkScope(signature.presented);
      checkFormDate(signature.presented.date, nowMs);
    } else if (this.#options.sigv2 !== true) {
      throw oldForm();
    }
    const { accessKeyId } = signature;
    const { secret, ownerId, displayName } = this.#credential(accessKeyId);
    if (request.headers.has('x-amz-security-token')) throw new S3Error('InvalidToken');
    const expected = formSignatureOf(signature, secret);
    if (!equalTextConstantTime(signature.signature, expected)) {
      throw mismatch({
        accessKeyId,
        signature: signature.signature,
        stringToSign: signature.policy,
      });
    }
    return { accessKeyId, ownerId, displayName };
  }

  #credential(accessKeyId: string): Credential {
    const credential = this.#options.credentials.lookup(accessKeyId);
    if (credential !== undefined) return credential;
    throw new S3Error('InvalidAccessKeyId', { fields: { AWSAccessKeyId: accessKeyId } });
  }

  #insecure(request: S3Request): VerifiedRequest {
    const presigned = request.query.has('X-Amz-Signature');
    return seal({
      request: presigned ? withQueryHeaders(request) : request,
      identity: this.#options.insecureOwner,
      payloadHash: sentPayloadHash(request, UNSIGNED_PAYLOAD),
      signer: undefined,
    });
  }

  #checkScope(presented: Presented): void {
    const { region } = this.#options;
    const { day, date, form, service, terminator } = presented;
    if (region !== undefined && presented.region !== region) {
      throw wrongScope(form, `the region '${presented.region}' is wrong; expecting '${region}'`, {
        fields: { Region: region },
        headers: { 'x-amz-bucket-region': region },
      });
    }
    if (service !== 's3') {
      throw wrongScope(form, `incorrect service "${service}". This endpoint belongs to "s3".`);
    }
    if (terminator !== 'aws4_request') {
      throw wrongScope(
        form,
        `incorrect terminal "${terminator}". This endpoint uses "aws4_request".`,
      );
    }
    if (day !== date.slice(0, 8)) {
      throw wrongScope(
        form,
        `Invalid credential date "${day}". ` +
          `This date is not the same as X-Amz-Date: "${date.slice(0, 8)}".`,
      );
    }
  }

  #remember(name: string, key: Buffer): void {
    // Bounded: a new day or a scan of regions empties it rather than growing it.
    if (this.#signingKeys.size >= LIMITS.signingKeyCount) this.#signingKeys.clear();
    this.#signingKeys.set(name, key);
  }
}

/** Nobody: may do what ACLs and policies allow everybody. */
function anonymous(request: S3Request): VerifiedRequest {
  const payloadHash = sentPayloadHash(request, UNSIGNED_PAYLOAD);
  // Nobody's key can have signed the chunks.
  if (payloadHash.startsWith('STREAMING-AWS4-')) throw new S3Error('AccessDenied');
  return seal({ request, identity: ANONYMOUS, payloadHash, signer: undefined });
}

/** Up to so many names a search is quicker than a set. */
const FEW = 16;

/** A policy says itself how long it is good; the key that signed it is good for a week. */
function checkFormDate(date: string, nowMs: number): void {
  const dateMs = parseAmzDate(date);
  if (dateMs === undefined) throw dateMissing();
  if (dateMs - nowMs > LIMITS.clockSkewMs || nowMs - dateMs > LIMITS.presignSeconds * 1000) {
    throw new S3Error('AccessDenied', { message: 'Invalid according to Policy: Policy expired.' });
  }
}

/** Temporary credentials are not built: no token is one of ours. */
function sentToken(request: S3Request): boolean {
  return request.headers.has('x-amz-security-token') || request.query.has('X-Amz-Security-Token');
}

function checkClock(presented: Presented, nowMs: number): void {
  const dateMs = parseAmzDate(presented.date);
  if (dateMs === undefined) throw dateMissing();
  if (presented.expires !== undefined) {
    const endMs = dateMs + presented.expires * 1000;
    if (nowMs > endMs) {
      throw new S3Error('AccessDenied', {
        message: 'Request has expired',
        fields: {
          'X-Amz-Expires': String(presented.expires),
          Expires: new Date(endMs).toISOString(),
          ...serverTime(nowMs),
        },
      });
    }
    if (dateMs - nowMs > LIMITS.clockSkewMs) {
      const fields = serverTime(nowMs);
      throw new S3Error('AccessDenied', { message: 'Request is not yet valid', fields });
    }
    return;
  }
  if (Math.abs(nowMs - dateMs) > LIMITS.clockSkewMs) {
    throw new S3Error('RequestTimeTooSkewed', {
      fields: {
        RequestTime: presented.date,
        ...serverTime(nowMs),
        MaxAllowedSkewMilliseconds: String(LIMITS.clockSkewMs),
      },
    });
  }
}

function serverTime(nowMs: number): { readonly ServerTime: string } {
  return { ServerTime: new Date(nowMs).toISOString() };
}

/** Host and every x-amz-* header must be signed: others could have been added on the way. */
function checkSignedHeaders(request: S3Request, presented: Presented): void {
  const { signedHeaders } = presented;
  const signed = signedHeaders.length > FEW ? new Set(signedHeaders) : undefined;
  const isSigned = (name: string): boolean => signed?.has(name) ?? signedHeaders.includes(name);
  const missing: string[] = [];
  if (!isSigned('host')) missing.push('host');
  for (const name of request.headers.keys()) {
    if (name.startsWith('x-amz-') && !isSigned(name)) missing.push(name);
  }
  if (missing.length === 0) return;
  // A presigned URL may travel with the hash of a body that nobody knew when it was signed.
  const tolerated = presented.form === 'query' ? ['x-amz-content-sha256'] : [];
  const refused = missing.filter((name) => !tolerated.includes(name));
  if (refused.length > 0) {
    throw new S3Error('AccessDenied', {
      message: 'There were headers present in the request which were not signed',
      fields: { HeadersNotSigned: refused.join(', ') },
    });
  }
}

/** What stands in the canonical request's last line. */
function signedPayloadHash(request: S3Request, presented: Presented): string {
  const sent = request.headers.get('x-amz-content-sha256');
  if (presented.form === 'query') {
    const signed = presented.signedHeaders.includes('x-amz-content-sha256') ? sent : undefined;
    return queryPayloadHash(request) ?? signed ?? UNSIGNED_PAYLOAD;
  }
  if (sent === undefined || sent === '') {
    throw new S3Error('InvalidRequest', {
      message: 'Missing required header for this request: x-amz-content-sha256',
    });
  }
  return sent;
}

function queryPayloadHash(request: S3Request): string | undefined {
  const { query } = request;
  return query.get('X-Amz-Content-Sha256') ?? query.get('x-amz-content-sha256');
}

/** How the body really comes. A signed hash stands; an unsigned one can only add to it. */
function sentPayloadHash(request: S3Request, signedHash: string): string {
  if (signedHash !== UNSIGNED_PAYLOAD) return signedHash;
  return (
    request.headers.get('x-amz-content-sha256') ?? queryPayloadHash(request) ?? UNSIGNED_PAYLOAD
  );
}
