/**
 * What requests say about encryption, and what answers say back. A customer's key is read here,
 * goes into the store's call and nowhere else: no error, no answer and no log repeats it.
 *
 * Refuses what contradicts itself, and methods that are known and not built, by name.
 * Source: AmazonS3/latest/userguide/serv-side-encryption.html and the pages of each operation
 */
import { createHash } from 'node:crypto';
import { base64Decode, equalConstantTime } from '../../base/bytes.ts';
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import type {
  CustomerKey,
  Encryption,
  EncryptionRequest,
} from '../../objects/encryption-contract.ts';
import type { S3Request, S3Response } from '../request.ts';

type Headers = S3Request['headers'];

const SSE = 'x-amz-server-side-encryption';
const KMS_KEY = `${SSE}-aws-kms-key-id`;
const CONTEXT = `${SSE}-context`;
const BUCKET_KEY = `${SSE}-bucket-key-enabled`;
const CUSTOMER = customerNames(`${SSE}-customer-`);
const COPY_SOURCE_CUSTOMER = customerNames(
  `x-amz-copy-source${SSE.slice('x-amz'.length)}-customer-`,
);

const AES256 = 'AES256';
const KEY_BYTES = 32;
const MD5_BYTES = 16;

function customerNames(prefix: string) {
  return { algorithm: `${prefix}algorithm`, key: `${prefix}key`, md5: `${prefix}key-md5` };
}

/** What a write asks for; the bucket's default may add to it. */
export interface AskedEncryption {
  readonly request: EncryptionRequest | undefined;
  /** Said by itself, it overrides the bucket's. */
  readonly bucketKey: boolean | undefined;
}

const NOTHING: AskedEncryption = { request: undefined, bucketKey: undefined };

function invalid(message: string, name: string, value: string | undefined): S3Error {
  const fields = { ArgumentName: name, ArgumentValue: value ?? 'null' };
  return new S3Error('InvalidArgument', { message, fields });
}

/** Of PutObject, CopyObject, PostObject and CreateMultipartUpload. */
export function parseEncryption(headers: Headers): AskedEncryption {
  const method = headers.get(SSE);
  const customerKey = parseCustomerKey(headers);
  const bucketKey = parseBucketKey(headers.get(BUCKET_KEY));
  const keyId = headers.get(KMS_KEY);
  const context = headers.get(CONTEXT);
  if (customerKey !== undefined) {
    if (method !== undefined || keyId !== undefined) throw conflictsWithKey(method);
    return { request: { mode: 'customer', customerKey }, bucketKey };
  }
  if (method === 'aws:kms') {
    const kms = {
      mode: 'aws:kms',
      keyId: checkKeyId(keyId),
      context: checkContext(context),
    } as const;
    return { request: { ...kms, bucketKey: bucketKey === true }, bucketKey };
  }
  if (method !== undefined && method !== AES256) throw unknownMethod(method);
  if (keyId !== undefined || context !== undefined) {
    throw invalid(
      'Server Side Encryption with AWS KMS managed key requires HTTP header ' +
        'x-amz-server-side-encryption : aws:kms',
      SSE,
      method,
    );
  }
  if (method === AES256) return { request: { mode: method }, bucketKey };
  return bucketKey === undefined ? NOTHING : { request: undefined, bucketKey };
}

function conflictsWithKey(method: string | undefined): S3Error {
  return invalid(
    'Server Side Encryption with Customer provided key is incompatible with the encryption ' +
      'method specified',
    SSE,
    method,
  );
}

function unknownMethod(method: string): S3Error {
  if (method === 'aws:kms:dsse') return new S3Error('NotImplemented', { fields: { Header: SSE } });
  return invalid('The encryption method specified is not supported', SSE, method);
}

/** What can be the name, id, alias or ARN of a key, and stand in a header. */
export function isKeyId(text: string): boolean {
  return text.length <= LIMITS.kmsKeyIdChars && /^[A-Za-z0-9:/_.-]+$/.test(text);
}

function checkKeyId(keyId: string | undefined): string | undefined {
  if (keyId === undefined || isKeyId(keyId)) return keyId;
  const shown = keyId.slice(0, LIMITS.kmsKeyIdChars);
  throw new S3Error('KMS.NotFoundException', { message: `Invalid keyId '${shown}'` });
}

function parseBucketKey(value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined;
  const word = value.toLowerCase();
  if (word === 'true' || word === 'false') return word === 'true';
  throw invalid('Invalid value for the header', BUCKET_KEY, value);
}

/** Base64 of a JSON object of texts, kept as it was sent: the wrapped key is bound to it. */
function checkContext(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const wrong = (): S3Error =>
    invalid(
      `The header '${CONTEXT}' shall be Base64-encoded UTF-8 string holding JSON which ` +
        'represents a string-string map',
      CONTEXT,
      value,
    );
  const bytes = base64Decode(value);
  if (bytes === undefined || bytes.length > LIMITS.encryptionContextBytes) throw wrong();
  let pairs: unknown;
  try {
    pairs = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw wrong();
  }
  if (typeof pairs !== 'object' || pairs === null || Array.isArray(pairs)) throw wrong();
  if (!Object.values(pairs).every((text) => typeof text === 'string')) throw wrong();
  return value;
}

/** The customer's key of the object that the request is about; undefined: none was sent. */
export function parseCustomerKey(headers: Headers): CustomerKey | undefined {
  return customerKeyOf(headers, CUSTOMER);
}

/** The customer's key of a copy's source. */
export function parseSourceCustomerKey(headers: Headers): CustomerKey | undefined {
  return customerKeyOf(headers, COPY_SOURCE_CUSTOMER);
}

function customerKeyOf(
  headers: Headers,
  names: ReturnType<typeof customerNames>,
): CustomerKey | undefined {
  const algorithm = headers.get(names.algorithm);
  const text = headers.get(names.key);
  const md5 = headers.get(names.md5);
  if (algorithm === undefined && text === undefined && md5 === undefined) return undefined;
  const must =
    'Requests specifying Server Side Encryption with Customer provided keys must provide';
  if (algorithm === undefined) {
    throw invalid(`${must} a valid encryption algorithm.`, names.algorithm, algorithm);
  }
  if (algorithm !== AES256) {
    const fields = { ArgumentName: names.algorithm, ArgumentValue: algorithm };
    throw new S3Error('InvalidEncryptionAlgorithmError', { fields });
  }
  const wrong = (message: string, name: string): S3Error =>
    new S3Error('InvalidArgument', { message, fields: { ArgumentName: name } });
  if (text === undefined) throw wrong(`${must} an appropriate secret key.`, names.key);
  if (md5 === undefined) {
    throw wrong(`${must} the client calculated MD5 of the secret key.`, names.md5);
  }
  const key = base64Decode(text);
  if (key?.length !== KEY_BYTES) {
    throw wrong('The secret key was invalid for the specified algorithm.', names.key);
  }
  const said = base64Decode(md5);
  const digest = createHash('md5').update(key).digest();
  if (said?.length !== MD5_BYTES || !equalConstantTime(digest, said)) {
    throw wrong(
      'The calculated MD5 hash of the key did not match the hash that was provided.',
      names.md5,
    );
  }
  return { key };
}

/** Of reads, and of whatever else only a customer's key concerns. Throws InvalidArgument. */
export function refuseEncryption(headers: Headers): void {
  for (const name of [SSE, KMS_KEY, CONTEXT, BUCKET_KEY]) {
    const value = headers.get(name);
    if (value !== undefined) throw notHere(name, value);
  }
}

/**
 * UploadPart, its copy and Complete: how parts are encrypted was said when the upload began.
 * Clients that repeat it are heard, as long as it is the same method.
 */
export function checkRepeated(
  asked: EncryptionRequest | undefined,
  begun: Encryption | undefined,
): void {
  if (asked === undefined || asked.mode === 'customer' || asked.mode === begun?.mode) return;
  throw notHere(SSE, asked.mode);
}

function notHere(name: string, value: string): S3Error {
  return invalid(`${name} header is not supported for this operation.`, name, value);
}

/** Headers of an answer about an object, or a part, that is encrypted like this. */
export function encryptionHeaders(
  encryption: Encryption | undefined,
  headers: Headers,
): S3Response['headers'] {
  if (encryption === undefined) return [];
  const { mode, keyId, bucketKey } = encryption;
  if (mode === 'customer') {
    const md5 = headers.get(CUSTOMER.md5);
    if (md5 === undefined) return [];
    return [
      [CUSTOMER.algorithm, AES256],
      [`${CUSTOMER.key}-MD5`, md5],
    ];
  }
  if (mode === AES256) return [[SSE, AES256]];
  return [
    [SSE, mode],
    [KMS_KEY, keyId ?? ''],
    ...(bucketKey === true ? [[BUCKET_KEY, 'true'] as const] : []),
  ];
}

/** The same of an answer to the request that wrote it, which may have said a context. */
export function writtenHeaders(
  encryption: Encryption | undefined,
  headers: Headers,
): S3Response['headers'] {
  const list = encryptionHeaders(encryption, headers);
  const context = encryption?.context;
  return context === undefined ? list : [...list, [CONTEXT, context]];
}
