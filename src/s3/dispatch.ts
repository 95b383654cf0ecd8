/**
 * The one pipeline and the one catch: resource → signature → route → authorisation → body plan,
 * all synchronous on the head alone, then the operation. Nothing about routes or buckets is told
 * before the signature was verified. Access log and counters are written here only.
 */
import { createHash, randomBytes } from 'node:crypto';
import { S3Error, type S3ErrorCode } from '../base/s3-error.ts';
import type { Body, BodyFeed, BodyPlan, Transport } from '../body/body.ts';
import { ANONYMOUS, isAnonymous } from './accounts.ts';
import type { AccessEntry } from './access-log.ts';
import { Authenticator, type VerifiedRequest } from './authn.ts';
import { boundsOf, checkPayloadHash, planBody, planForm } from './body-plan.ts';
import { corsHeaders, preflight } from './cors.ts';
import { renderError, toS3Error } from './errors.ts';
import { type EventOrigin, noteEvents } from './events.ts';
import type { BoundOperation, Identity, OperationContext } from './operation.ts';
import { GuardedDocument, NO_BODY } from './operation-body.ts';
import { OPERATIONS, type OperationName } from './registry.ts';
import { type FormEvents, FormFeed } from './post-form/form-feed.ts';
import { formRequest, isForm } from './post-form/form-request.ts';
import type { Exchange, Gateway, RequestHead, S3Request, S3Response } from './request.ts';
import { requestId } from './request-id.ts';
import { resolveRequest, virtualBucket } from './resource.ts';
import type { GatewayOptions, GatewayStats } from './gateway-options.ts';
import { routeOf } from './routes.ts';
import { serveWebsite } from './website.ts';

const DAY_MS = 86_400_000;

const OVER = new Error('the request is over');

/** Operations that may name a bucket which does not exist, or whose answer is its region. */
const ANY_REGION: ReadonlySet<OperationName> = new Set([
  'ListBuckets',
  'CreateBucket',
  'GetBucketLocation',
]);

export class S3Gateway implements Gateway {
  readonly options: GatewayOptions;
  readonly authenticator: Authenticator;
  /** Identifies this process in x-amz-id-2. */
  readonly hostId: string = createHash('sha256').update(randomBytes(16)).digest('base64');
  readonly #operations = new Map<string, number>();
  readonly #errors = new Map<string, number>();

  constructor(options: GatewayOptions) {
    this.options = options;
    this.authenticator = new Authenticator({
      credentials: options.credentials,
      region: options.region,
      insecure: options.insecure,
      sigv2: options.sigv2,
      insecureOwner: options.rootOwner,
    });
  }

  begin(head: RequestHead, transport: Transport): Exchange {
    return new S3Exchange(this, head, transport);
  }

  stats(): GatewayStats {
    return { operations: this.#operations, errors: this.#errors };
  }

  count(operation: string, code: string | undefined): void {
    this.#operations.set(operation, (this.#operations.get(operation) ?? 0) + 1);
    if (code !== undefined) this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
  }
}

class S3Exchange implements Exchange {
  readonly response: Promise<S3Response>;
  readonly #gateway: S3Gateway;
  readonly #head: RequestHead;
  readonly #id = requestId();
  readonly #startedMs: number;
  #feed: BodyFeed | undefined;
  #body: Body | undefined;
  /** Undefined until the head was understood. */
  #request: S3Request | undefined;
  #identity: Identity | undefined;
  #operation: OperationName | undefined;
  #controller: AbortController | undefined;
  #cancelled: Error | undefined;
  #website = false;
  #status = 0;
  #answeredMs = 0;
  #answer: S3Response['headers'] = [];
  #code: S3ErrorCode | 'ClientDisconnected' | undefined;

  constructor(gateway: S3Gateway, head: RequestHead, transport: Transport) {
    this.#gateway = gateway;
    this.#head = head;
    this.#startedMs = gateway.options.clock.now();
    this.response = this.#respond(transport);
  }

  async #respond(transport: Transport): Promise<S3Response> {
    try {
      return this.#finish(await this.#run(transport));
    } catch (error) {
      return this.#finish(this.#fail(error));
    }
  }

  get feed(): BodyFeed | undefined {
    return this.#feed;
  }

  cancel(reason: Error): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = reason;
    this.#controller?.abort(reason);
    this.#body?.cancel(reason);
  }

  finished(outcome: { readonly bytesSent: number; readonly aborted: boolean }): void {
    const { accessLog, clock, log } = this.#gateway.options;
    const request = this.#request;
    if (request?.bucket !== undefined && accessLog?.wants(request.bucket) === true) {
      accessLog.note(request.bucket, this.#entry(request, outcome.bytesSent));
    }
    this.#gateway.count(this.#operation ?? 'none', this.#code);
    log.info(
      {
        requestId: this.#id,
        remote: this.#head.remoteAddress,
        method: this.#head.method,
        operation: this.#operation,
        bucket: this.#request?.bucket,
        key: this.#request?.key,
        accessKey: this.#identity?.accessKeyId,
        status: this.#status,
        code: this.#code,
        bytesIn: this.#body?.plan.payloadLength ?? 0,
        bytesOut: outcome.bytesSent,
        aborted: outcome.aborted ? true : undefined,
        ms: clock.now() - this.#startedMs,
      },
      'request',
    );
  }

  #entry(request: S3Request, bytesSent: number): AccessEntry {
    const { clock } = this.#gateway.options;
    const answered = (wanted: string): string | undefined =>
      this.#answer.find(([name]) => name === wanted)?.[1];
    const whole = /\/(\d+)$/.exec(answered('Content-Range') ?? '')?.[1];
    const bytes =
      this.#body?.plan.payloadLength ?? (whole === undefined ? bytesSent : Number(whole));
    return {
      request,
      hostId: this.#gateway.hostId,
      requester: this.#identity?.ownerId,
      startedMs: this.#startedMs,
      status: this.#status,
      code: this.#code ?? answered('x-amz-error-code'),
      bytesSent,
      objectSize: request.key === undefined || this.#status >= 400 ? undefined : bytes,
      totalMs: clock.now() - this.#startedMs,
      turnAroundMs: this.#answeredMs - this.#startedMs,
      website: this.#website,
    };
  }

  /** Everything up to the operation's first await happens before this returns. */
  async #run(transport: Transport): Promise<S3Response> {
    const { options, authenticator } = this.#gateway;
    const site = this.#site(options.websiteDomains);
    if (site !== undefined) return site;
    this.#request = resolveRequest(this.#head, this.#id, options.domains);
    if (this.#head.method === 'OPTIONS') return preflight(this.#request, options.objects);
    if (isForm(this.#request)) return await this.#runForm(this.#request, transport);
    const verified = authenticator.authenticate(this.#request, this.#startedMs);
    const operation = this.#admit(verified, wantedBy(verified));
    const body = this.#open(verified, operation, transport);
    return await this.#handle(verified, operation, body);
  }

  /** Authorises, and looks at the bucket that the request names. */
  #admit({ identity, request }: VerifiedRequest, name: OperationName): BoundOperation {
    const { bucket } = request;
    this.#identity = identity;
    this.#operation = name;
    const operation: BoundOperation = OPERATIONS[name];
    if (operation.authorizes !== 'each') this.#authorize(identity, operation, request);
    if (bucket !== undefined && !ANY_REGION.has(name)) this.#checkBucket(request, bucket);
    return operation;
  }

  #authorize(identity: Identity, { action, authorizes }: BoundOperation, request: S3Request): void {
    const { bucket, key, query } = request;
    const resource = { bucket, key, versionId: query.get('versionId') };
    const said = authorizes === 'document' ? 'pending' : undefined;
    this.#gateway.options.authorizer.authorize(identity, action, resource, request, said);
  }

  async #handle(
    verified: VerifiedRequest,
    operation: BoundOperation,
    body: Body,
  ): Promise<S3Response> {
    const response = await operation.handle(this.#context(verified), body);
    // Whatever the operation did not want of its body goes back. Harmless when it took all.
    body.cancel(OVER);
    return response;
  }

  /** Who asks, and for what, stands in the form: it is read as far as its file, then as above. */
  #runForm(request: S3Request, transport: Transport): Promise<S3Response> {
    return new Promise((resolve, reject) => {
      const begin: FormEvents['onFile'] = (fields, bounds) => {
        const wanted = formRequest(request, fields, bounds.lengthMax);
        this.#request = wanted;
        const { authenticator } = this.#gateway;
        const verified = authenticator.authenticateForm(wanted, this.#startedMs);
        const operation = this.#admit(verified, routeOf(request));
        const implied = operation.impliedChecksum(this.#gateway.options.objects, wanted);
        const plan = planForm(verified, boundsOf(operation), bounds, implied);
        const { body, feed } = this.#openBody(plan, transport);
        resolve(this.#handle(verified, operation, body));
        return { feed, ...verified.file };
      };
      this.#feed = new FormFeed(request.headers, { onFile: begin, onFault: reject });
    });
  }

  #open(verified: VerifiedRequest, operation: BoundOperation, transport: Transport): Body {
    if (operation.body === 'none') {
      checkPayloadHash(verified);
      return NO_BODY;
    }
    const implied = operation.impliedChecksum(this.#gateway.options.objects, verified.request);
    const plan = planBody(verified, boundsOf(operation), implied);
    const { body, feed } = this.#openBody(plan, transport);
    this.#feed = feed;
    if (operation.body !== 'document' || operation.authorizes !== 'request') return body;
    const { identity, request } = verified;
    return new GuardedDocument(body, () => this.#authorize(identity, operation, request));
  }

  #openBody(plan: BodyPlan, transport: Transport): { body: Body; feed: BodyFeed } {
    const opened = this.#gateway.options.bodies.open(plan, transport);
    this.#body = opened.body;
    // The operation may fail before it looks at the verdict.
    opened.body.settled.catch(() => undefined);
    return opened;
  }

  #context(verified: VerifiedRequest): OperationContext {
    const { options } = this.#gateway;
    const signal = (): AbortSignal => this.#signal();
    return {
      request: verified,
      identity: verified.identity,
      objects: options.objects,
      accounts: options.accounts,
      rules: options.rules,
      clock: options.clock,
      region: options.region,
      events: options.events,
      lifecycleDayMs: options.lifecycleDayMs ?? DAY_MS,
      note: (bucket, ...events) =>
        options.events && noteEvents(options, this.#origin(verified.identity), bucket, events),
      get signal() {
        return signal();
      },
      authorize: (action, bucket, key, versionId, said) => {
        const { identity, request } = verified;
        options.authorizer.authorize(identity, action, { bucket, key, versionId }, request, said);
        // The only other bucket that a request reads from is a copy's source.
        if (action !== 's3:GetObject') return;
        this.#checkOwner(bucket, request.headers.get('x-amz-source-expected-bucket-owner'));
      },
    };
  }

  /** The answer of a website, when the host is one. */
  #site(domains: readonly string[] = []): S3Response | undefined {
    if (domains.length === 0) return undefined;
    const host = this.#head.headers.find(([name]) => name === 'host')?.[1] ?? '';
    if (virtualBucket(host, domains) === undefined) return undefined;
    const { options, hostId } = this.#gateway;
    const request = resolveRequest(this.#head, this.#id, domains);
    this.#request = request;
    this.#website = true;
    if (this.#head.method === 'OPTIONS') return preflight(request, options.objects);
    const visitor = options.insecure ? options.rootOwner : ANONYMOUS;
    return serveWebsite(request, {
      objects: options.objects,
      authorize: (action, bucket, key) =>
        options.authorizer.authorize(visitor, action, { bucket, key }, request),
      hostId,
      signal: this.#signal(),
    });
  }

  #origin({ accessKeyId, ownerId }: Identity): EventOrigin {
    const { hostId } = this.#gateway;
    const { remoteAddress } = this.#head;
    return { requestId: this.#id, hostId, remoteAddress, accessKeyId, ownerId };
  }

  /** Made when asked for: most requests never need one. */
  #signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#cancelled !== undefined) this.#controller.abort(this.#cancelled);
    return this.#controller.signal;
  }

  /** A name that the client knows may have come to another owner since. */
  #checkOwner(bucket: string, expected: string | undefined): void {
    if (expected === undefined) return;
    const { ownerId } = this.#gateway.options.objects.bucket(bucket);
    if (ownerId !== expected) throw new S3Error('AccessDenied');
  }

  /** Redirects to the bucket's region when this server has another. */
  #checkBucket(request: S3Request, name: string): void {
    this.#checkOwner(name, request.headers.get('x-amz-expected-bucket-owner'));
    const { region, objects } = this.#gateway.options;
    if (region === undefined) return;
    const { location } = objects.bucket(name);
    if (location === '' || location === region) return;
    throw new S3Error('PermanentRedirect', {
      fields: { Endpoint: request.headers.get('host') ?? '', Bucket: name },
      headers: { 'x-amz-bucket-region': location },
    });
  }

  #fail(error: unknown): S3Response {
    const failure = toS3Error(this.#cancelled ?? error);
    this.#body?.cancel(failure);
    const gone = this.#cancelled !== undefined && !(this.#cancelled instanceof S3Error);
    this.#code = gone ? 'ClientDisconnected' : failure.code;
    if (!gone && failure.status >= 500 && failure.code !== 'NotImplemented') {
      this.#gateway.options.log.error({ requestId: this.#id, err: error }, 'request failed');
    }
    const response = renderError(failure, {
      resource: this.#head.rawPath,
      requestId: this.#id,
      hostId: this.#gateway.hostId,
      method: this.#head.method,
    });
    // A head that two readers may read differently: nothing that follows it can be trusted.
    return this.#request === undefined ? { ...response, close: true } : response;
  }

  #finish(response: S3Response): S3Response {
    this.#status = response.status;
    this.#answer = response.headers;
    this.#answeredMs = this.#gateway.options.clock.now();
    const { objects } = this.#gateway.options;
    const cors = this.#request === undefined ? [] : corsHeaders(this.#request, objects);
    return {
      ...response,
      headers: [
        ['x-amz-request-id', this.#id],
        ['x-amz-id-2', this.#gateway.hostId],
        ['Server', 'Sluice'],
        ...response.headers,
        ...cors,
      ],
    };
  }
}

export function openGateway(options: GatewayOptions): S3Gateway {
  return new S3Gateway(options);
}

/** Nobody learns what this server has no operation for. */
function wantedBy({ identity, request }: VerifiedRequest): OperationName {
  try {
    return routeOf(request);
  } catch (error) {
    if (isAnonymous(identity)) throw new S3Error('AccessDenied', { cause: error });
    throw error;
  }
}
