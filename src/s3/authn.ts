/**
 * Who asks. Yields the only value that operations accept: a `VerifiedRequest` can be made here
 * and nowhere else. Verifies signature, scope, clock and signed headers; compares in constant
 * time. The body is verified later, against what is promised here.
 */
import { hexDecode, equalConstantTime } from '../base/bytes.ts';
import { LIMITS } from '../base/limits.ts';
import { S3Error } from '../base/s3-error.ts';
import type { ChunkSigner } from '../body/body.ts';
import type { Identity } from './operation.ts';
import type { S3Request } from './request.ts';
import {
  ALGORITHM,
  UNSIGNED_PAYLOAD,
  type Presented,
  canonicalRequest,
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
  readonly request: S3Request;
  readonly identity: Identity;
  /** What the request says of its payload: a hex hash, UNSIGNED-PAYLOAD or STREAMING-…. */
  readonly payloadHash: string;
  /** For chunk signatures; undefined without a verified signature. */
  readonly signer: ChunkSigner | undefined;
}

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
  /** The owner that insecure requests act for. */
  readonly insecureOwner: Identity;
}

const SIGNING_KEYS_MAX = 1024;

export class Authenticator {
  readonly #options: AuthnOptions;
  readonly #signingKeys = new Map<string, Buffer>();

  constructor(options: AuthnOptions) {
    this.#options = options;
  }

  /** Throws S3Error with AWS's code for the first thing that is wrong. */
  authenticate(request: S3Request, nowMs: number): VerifiedRequest {
    const authorization = request.headers.get('authorization');
    const presigned = request.query.has('X-Amz-Algorithm') || request.query.has('X-Amz-Signature');
    if (this.#options.insecure) return this.#insecure(request);
    if (authorization !== undefined && presigned) {
      throw new S3Error('InvalidArgument', {
        message: 'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
        fields: { ArgumentName: 'Authorization', ArgumentValue: authorization },
      });
    }
    if (presigned) return this.#verify(request, parsePresigned(request), nowMs);
    if (authorization === undefined) {
      if (request.query.has('Signature') && request.query.has('AWSAccessKeyId')) throw unsupported();
      throw new S3Error('AccessDenied');
    }
    if (!authorization.startsWith(`${ALGORITHM} `)) {
      if (/^AWS /.test(authorization) || /^AWS4-/.test(authorization)) throw unsupported();
      throw new S3Error('InvalidArgument', {
        message: 'Unsupported Authorization Type',
        fields: { ArgumentName: 'Authorization', ArgumentValue: authorization },
      });
    }
    return this.#verify(request, parseAuthorization(request, authorization), nowMs);
  }

  #verify(request: S3Request, presented: Presented, nowMs: number): VerifiedRequest {
    this.#checkScope(presented);
    checkClock(presented, nowMs);
    checkSignedHeaders(request, presented);
    const payloadHash = payloadHashOf(request, presented);
    const credential = this.#options.credentials.lookup(presented.accessKeyId);
    if (credential === undefined) {
      throw new S3Error('InvalidAccessKeyId', {
        fields: { AWSAccessKeyId: presented.accessKeyId },
      });
    }
    const token =
      request.headers.get('x-amz-security-token') ?? request.query.get('X-Amz-Security-Token');
    if (token !== undefined) throw new S3Error('InvalidToken');
    const signingKey = this.#signingKey(credential.secret, presented);
    const canonical = canonicalRequest(request, presented.signedHeaders, payloadHash);
    const text = stringToSign(presented, canonical);
    const signature = hexDecode(presented.signature);
    const expected = signatureOf(signingKey, text);
    if (signature === undefined || !equalConstantTime(signature, expected)) {
      throw mismatch(presented, text, canonical);
    }
    return seal({
      request,
      identity: {
        accessKeyId: presented.accessKeyId,
        ownerId: credential.ownerId,
        displayName: credential.displayName,
      },
      payloadHash,
      signer: {
        seed: presented.signature,
        signingKey,
        scope: scopeOf(presented),
        date: presented.date,
      },
    });
  }

  #insecure(request: S3Request): VerifiedRequest {
    const sent = request.headers.get('x-amz-content-sha256') ?? UNSIGNED_PAYLOAD;
    return seal({
      request,
      identity: this.#options.insecureOwner,
      payloadHash: sent,
      signer: undefined,
    });
  }

  #checkScope(presented: Presented): void {
    const { region } = this.#options;
    const query = presented.form === 'query';
    const code = query ? 'AuthorizationQueryParametersError' : 'AuthorizationHeaderMalformed';
    const start = query
      ? 'Error parsing the X-Amz-Credential parameter; '
      : 'The authorization header is malformed; ';
    if (region !== undefined && presented.region !== region) {
      throw new S3Error(code, {
        message: `${start}the region '${presented.region}' is wrong; expecting '${region}'`,
        fields: { Region: region },
        headers: { 'x-amz-bucket-region': region },
      });
    }
    if (presented.service !== 's3') {
      throw new S3Error(code, {
        message: `${start}incorrect service "${presented.service}". This endpoint belongs to "s3".`,
      });
    }
    if (presented.terminator !== 'aws4_request') {
      throw new S3Error(code, {
        message: `${start}incorrect terminal "${presented.terminator}". This endpoint uses "aws4_request".`,
      });
    }
    if (presented.day !== presented.date.slice(0, 8)) {
      throw new S3Error(code, {
        message: `${start}Invalid credential date "${presented.day}". This date is not the same as X-Amz-Date: "${presented.date.slice(0, 8)}".`,
      });
    }
  }

  #signingKey(secret: string, presented: Presented): Buffer {
    const name = `${presented.day}/${presented.region}/${presented.accessKeyId}/${secret}`;
    let key = this.#signingKeys.get(name);
    if (key === undefined) {
      key = deriveSigningKey(secret, presented);
      // Bounded: a new day or a scan of regions empties it rather than growing it.
      if (this.#signingKeys.size >= SIGNING_KEYS_MAX) this.#signingKeys.clear();
      this.#signingKeys.set(name, key);
    }
    return key;
  }
}

function unsupported(): S3Error {
  return new S3Error('InvalidRequest', {
    message: 'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  });
}

function checkClock(presented: Presented, nowMs: number): void {
  const dateMs = parseAmzDate(presented.date);
  if (dateMs === undefined) {
    throw new S3Error('AccessDenied', {
      message: 'AWS authentication requires a valid Date or x-amz-date header',
    });
  }
  const fields = { ServerTime: new Date(nowMs).toISOString() };
  if (presented.expires !== undefined) {
    const endMs = dateMs + presented.expires * 1000;
    if (nowMs > endMs) {
      throw new S3Error('AccessDenied', {
        message: 'Request has expired',
        fields: {
          'X-Amz-Expires': String(presented.expires),
          Expires: new Date(endMs).toISOString(),
          ...fields,
        },
      });
    }
    if (dateMs - nowMs > LIMITS.clockSkewMs) {
      throw new S3Error('AccessDenied', { message: 'Request is not yet valid', fields });
    }
    return;
  }
  if (Math.abs(nowMs - dateMs) > LIMITS.clockSkewMs) {
    throw new S3Error('RequestTimeTooSkewed', {
      fields: {
        RequestTime: presented.date,
        ...fields,
        MaxAllowedSkewMilliseconds: String(LIMITS.clockSkewMs),
      },
    });
  }
}

/** Host and every x-amz-* header must be signed: an unsigned one could have been added on the way. */
function checkSignedHeaders(request: S3Request, presented: Presented): void {
  const signed = new Set(presented.signedHeaders);
  const missing: string[] = [];
  if (!signed.has('host')) missing.push('host');
  for (const name of request.headers.keys()) {
    if (name.startsWith('x-amz-') && !signed.has(name)) missing.push(name);
  }
  // A presigned URL may travel with the hash of a body nobody knew when it was signed.
  const tolerated = presented.form === 'query' ? ['x-amz-content-sha256'] : [];
  const refused = missing.filter((name) => !tolerated.includes(name));
  if (refused.length > 0) {
    throw new S3Error('AccessDenied', {
      message: 'There were headers present in the request which were not signed',
      fields: { HeadersNotSigned: refused.join(', ') },
    });
  }
}

function payloadHashOf(request: S3Request, presented: Presented): string {
  const sent = request.headers.get('x-amz-content-sha256');
  if (presented.form === 'query') {
    const signed = presented.signedHeaders.includes('x-amz-content-sha256') ? sent : undefined;
    return request.query.get('X-Amz-Content-Sha256') ?? signed ?? UNSIGNED_PAYLOAD;
  }
  if (sent === undefined || sent === '') {
    throw new S3Error('InvalidRequest', {
      message: 'Missing required header for this request: x-amz-content-sha256',
    });
  }
  return sent;
}

function bytesOf(text: string): string {
  return Buffer.from(text)
    .toString('hex')
    .replaceAll(/(..)(?=.)/g, '$1 ');
}

function mismatch(presented: Presented, text: string, canonical: string): S3Error {
  return new S3Error('SignatureDoesNotMatch', {
    fields: {
      AWSAccessKeyId: presented.accessKeyId,
      StringToSign: text,
      SignatureProvided: presented.signature,
      StringToSignBytes: bytesOf(text),
      CanonicalRequest: canonical,
      CanonicalRequestBytes: bytesOf(canonical),
    },
  });
}
