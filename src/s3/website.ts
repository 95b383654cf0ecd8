/**
 * Buckets served as websites: index and error documents, redirects, routing rules. Everybody asks
 * here as nobody: what is served is what authorisation lets an anonymous reader have, and where it
 * does not let him list the bucket, a missing page is as forbidden as a secret one.
 *
 * Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html
 */
import { STATUS_CODES } from 'node:http';
import { S3Error } from '../base/s3-error.ts';
import type { ObjectStore, ReadOptions, ReadResult } from '../objects/contract.ts';
import type { RoutingRule, WebsiteConfiguration } from './documents/website.ts';
import type { Action } from './operation.ts';
import { toS3Error } from './errors.ts';
import { objectHeaders, parseConditions } from './operations/object-headers.ts';
import { parseRange } from './operations/get-object.ts';
import type { S3Request, S3Response } from './request.ts';
import { escapeXml } from './xml.ts';

export interface WebsitePlace {
  readonly objects: Pick<ObjectStore, 'bucket' | 'read'>;
  /** For an anonymous reader. Throws AccessDenied. */
  authorize(action: Action, bucket: string, key?: string): void;
  readonly hostId: string;
  readonly signal: AbortSignal;
}

interface Visit {
  readonly request: S3Request;
  readonly place: WebsitePlace;
  readonly bucket: string;
  /** Decoded path without its first slash. */
  readonly path: string;
  readonly site: WebsiteConfiguration;
}

const REDIRECT_HEADER = 'x-amz-website-redirect-location';

/** Domains below which a bucket's name leads to its website. */
export function websiteDomains(
  domains: readonly string[],
  region: string | undefined,
  own: readonly string[],
): readonly string[] {
  const regional = region === undefined ? [] : domains.map((one) => `s3-website-${region}.${one}`);
  return [...domains.map((one) => `s3-website.${one}`), ...regional, ...own];
}

/** Never throws what S3 has a page for: websites answer people. */
export function serveWebsite(request: S3Request, place: WebsitePlace): S3Response {
  try {
    return visit(request, place);
  } catch (error) {
    return errorPage(toS3Error(error), request, place);
  }
}

function visit(request: S3Request, place: WebsitePlace): S3Response {
  const bucket = request.bucket ?? '';
  const text = place.objects.bucket(bucket).configs.get('website');
  if (text === undefined) {
    throw new S3Error('NoSuchWebsiteConfiguration', { fields: { BucketName: bucket } });
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    throw new S3Error('MethodNotAllowed', {
      fields: { Method: request.method, ResourceType: 'OBJECT' },
      headers: { Allow: 'GET, HEAD' },
    });
  }
  const site = JSON.parse(text) as WebsiteConfiguration;
  const one: Visit = { request, place, bucket, path: request.key ?? '', site };
  const all = site.RedirectAllRequestsTo;
  if (all !== undefined) {
    const origin = `${all.Protocol ?? schemeOf(request)}://${all.HostName}`;
    return redirect(301, `${origin}/${encodePath(one.path)}`);
  }
  return routed(one, undefined) ?? page(one);
}

/** The document that a path names, or what the site has for its absence. */
function page(one: Visit): S3Response {
  const { path, site, request } = one;
  const suffix = site.IndexDocument?.Suffix ?? '';
  const folder = path === '' || path.endsWith('/');
  const options = {
    conditions: parseConditions(request.headers),
    range: parseRange(request.headers.get('range')),
    ifRange: request.headers.get('if-range'),
  };
  try {
    return found(one, read(one, folder ? path + suffix : path, options));
  } catch (error) {
    const failure = toS3Error(error);
    if (failure.status === 304) {
      return { status: 304, headers: Object.entries(failure.headers), body: undefined };
    }
    if (!folder && exists(one, `${path}/${suffix}`)) return redirect(302, `/${encodePath(path)}/`);
    return routed(one, failure.status) ?? errorDocument(one, failure);
  }
}

function read({ place, bucket }: Visit, key: string, options: ReadOptions): ReadResult {
  place.authorize('s3:GetObject', bucket, key);
  try {
    return place.objects.read(bucket, key, options);
  } catch (error) {
    // Who may not list a bucket must not learn what is not in it.
    if (error instanceof S3Error && error.code === 'NoSuchKey') {
      place.authorize('s3:ListBucket', bucket);
    }
    throw error;
  }
}

function exists(one: Visit, key: string): boolean {
  try {
    read(one, key, { conditions: {} });
    return true;
  } catch (error) {
    if (error instanceof S3Error) return false;
    throw error;
  }
}

function found({ request, place }: Visit, result: ReadResult, status?: number): S3Response {
  const { head, range, partial } = result;
  const target = head.headers[REDIRECT_HEADER];
  if (target !== undefined && status === undefined) return redirect(301, target);
  // What needs a right of its own is no visitor's.
  const headers = objectHeaders({ ...head, tags: {}, lock: undefined });
  if (partial) {
    const last = range.offset + range.length - 1;
    headers.push(['Content-Range', `bytes ${range.offset}-${last}/${head.size}`]);
  }
  const code = status ?? (partial ? 206 : 200);
  if (request.method === 'HEAD') {
    return { status: code, headers, body: undefined, contentLength: range.length };
  }
  const body = result.inline ?? { length: range.length, blocks: result.blocks(place.signal) };
  return { status: code, headers, body };
}

function errorDocument(one: Visit, failure: S3Error): S3Response {
  const key = one.site.ErrorDocument?.Key;
  // Only what the visitor did has a page of the site's own; what broke here has ours.
  if (key === undefined || failure.status >= 500) return errorPage(failure, one.request, one.place);
  try {
    const { headers, ...response } = found(one, read(one, key, { conditions: {} }), failure.status);
    return { ...response, headers: [...headers, ...errorHeaders(failure)] };
  } catch (error) {
    if (error instanceof S3Error) return errorPage(failure, one.request, one.place);
    throw error;
  }
}

/** The first rule that speaks of the path and, after a failure, of its status. */
function routed(
  { request, path, site }: Visit,
  status: number | undefined,
): S3Response | undefined {
  for (const rule of site.RoutingRules?.RoutingRule ?? []) {
    const { HttpErrorCodeReturnedEquals: code, KeyPrefixEquals: prefix = '' } =
      rule.Condition ?? {};
    if (code !== (status === undefined ? undefined : String(status))) continue;
    if (path.startsWith(prefix)) return follow(rule, request, path);
  }
  return undefined;
}

function follow(
  { Condition, Redirect }: RoutingRule,
  request: S3Request,
  path: string,
): S3Response {
  const prefix = Condition?.KeyPrefixEquals ?? '';
  const { ReplaceKeyWith: whole, ReplaceKeyPrefixWith: start } = Redirect;
  const key = whole ?? (start === undefined ? path : start + path.slice(prefix.length));
  const scheme = Redirect.Protocol ?? schemeOf(request);
  const host = Redirect.HostName ?? request.headers.get('host') ?? '';
  return redirect(
    Number(Redirect.HttpRedirectCode ?? 301),
    `${scheme}://${host}/${encodePath(key)}`,
  );
}

function schemeOf(request: S3Request): string {
  return request.head.secure ? 'https' : 'http';
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function redirect(status: number, location: string): S3Response {
  return { status, headers: [['Location', location]], body: '' };
}

function errorHeaders(failure: S3Error): (readonly [string, string])[] {
  const headers: (readonly [string, string])[] = [
    ['x-amz-error-code', failure.code],
    ['x-amz-error-message', failure.message],
  ];
  return [...headers, ...Object.entries(failure.headers)];
}

function errorPage(failure: S3Error, request: S3Request, place: WebsitePlace): S3Response {
  const title = `${failure.status} ${STATUS_CODES[failure.status] ?? ''}`;
  const items = [
    ['Code', failure.code],
    ['Message', failure.message],
    ...Object.entries(failure.fields),
    ['RequestId', request.id],
    ['HostId', place.hostId],
  ].map(([name = '', value = '']) => `<li>${escapeXml(name)}: ${escapeXml(value)}</li>\n`);
  const body =
    `<html>\n<head><title>${title}</title></head>\n<body>\n<h1>${title}</h1>\n` +
    `<ul>\n${items.join('')}</ul>\n<hr/>\n</body>\n</html>\n`;
  const headers = [...errorHeaders(failure), ['Content-Type', 'text/html; charset=utf-8'] as const];
  if (request.method === 'HEAD') {
    return { status: failure.status, headers, body: undefined, contentLength: 0 };
  }
  return { status: failure.status, headers, body };
}
