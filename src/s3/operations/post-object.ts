/**
 * PostObject: the object that a posted form makes. By the time it gets here the form is a request
 * whose headers are its fields; only what forms alone have (tags as XML, what to answer) is read
 * from the fields themselves.
 * Source: AmazonS3/latest/API/RESTObjectPOST.html
 */
import { writtenHeaders } from '../encryption/headers.ts';
import { parseTagging } from '../documents/object-tags.ts';
import { operation } from '../operation.ts';
import type { S3Request, S3Response } from '../request.ts';
import { objectOf } from '../resource.ts';
import { uriEncode } from '../sigv4.ts';
import { element, xmlDocument } from '../xml.ts';
import { XML_HEADERS } from './document.ts';
import { checksumHeaders, impliedChecksum } from './object-headers.ts';
import { type PutInput, parsePut, writeObject, type Written } from './put-object.ts';
import { versionHeaders } from './version-id.ts';

function parsePost(request: S3Request): PutInput {
  const put = parsePut(request);
  const tagging = request.form?.get('tagging');
  if (tagging === undefined || tagging === '') return put;
  return { ...put, attributes: { ...put.attributes, tags: parseTagging(tagging) } };
}

/** Where to send the browser; undefined for what is no address of the web. */
function redirectOf(request: S3Request, etag: string): string | undefined {
  const { form } = request;
  const text = form?.get('success_action_redirect') ?? form?.get('redirect');
  if (text === undefined || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined;
  const { bucket, key } = objectOf(request);
  const pairs = { bucket, key, etag: `"${etag}"` };
  const added = Object.entries(pairs).map(([name, value]) => `${name}=${uriEncode(value)}`);
  const asked = url.search === '' ? [] : [url.search.slice(1)];
  url.search = [...asked, ...added].join('&');
  return url.href;
}

function locationOf(request: S3Request): string {
  const { key } = objectOf(request);
  const host = request.headers.get('host') ?? '';
  const { rawPath, secure } = request.head;
  const base = rawPath.endsWith('/') ? rawPath.slice(0, -1) : rawPath;
  const path = key.split('/').map(uriEncode).join('/');
  return `${secure ? 'https' : 'http'}://${host}${base}/${path}`;
}

function render({ result, expiration }: Written, request: S3Request): S3Response {
  const { bucket, key } = objectOf(request);
  const etag = `"${result.etag}"`;
  const location = redirectOf(request, result.etag);
  const headers: S3Response['headers'] = [
    ['ETag', etag],
    ['Location', location ?? locationOf(request)],
    ...checksumHeaders(result.checksum),
    ...versionHeaders(result.versionId),
    ...writtenHeaders(result.encryption, request.headers),
    ...expiration,
  ];
  if (location !== undefined) return { status: 303, headers, body: undefined };
  const status = request.form?.get('success_action_status');
  if (status === '200') return { status: 200, headers, body: undefined };
  if (status !== '201') return { status: 204, headers, body: undefined };
  const inner =
    element('Location', locationOf(request)) +
    element('Bucket', bucket) +
    element('Key', key) +
    element('ETag', etag);
  return {
    status: 201,
    headers: [...XML_HEADERS, ...headers],
    body: xmlDocument('PostResponse', inner, ''),
  };
}

export const postObject = operation<PutInput, Written>({
  action: 's3:PutObject',
  body: 'stream',
  impliedChecksum: (_, request) => impliedChecksum(request.headers),
  parse: parsePost,
  run: (context, input, body) => writeObject(context, input, body, 'Post'),
  render,
});
