/**
 * How a bucket is served as a website: the document and AWS's rules. Either everything is
 * redirected, or there is an index document and perhaps an error document and routing rules.
 * What they mean for a request stands in `s3/website.ts`.
 */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import { type NodeValue, many, one, optional, schema, struct } from './schema.ts';
import { text, trimmed, word } from './schema.ts';

const protocol = word('http', 'https');

const shape = struct({
  RedirectAllRequestsTo: optional(struct({ HostName: one(trimmed), Protocol: optional(protocol) })),
  IndexDocument: optional(struct({ Suffix: one(text) })),
  ErrorDocument: optional(struct({ Key: one(text) })),
  RoutingRules: optional(
    struct({
      RoutingRule: many(
        struct({
          Condition: optional(
            struct({
              HttpErrorCodeReturnedEquals: optional(trimmed),
              KeyPrefixEquals: optional(text),
            }),
          ),
          Redirect: one(
            struct({
              Protocol: optional(protocol),
              HostName: optional(trimmed),
              ReplaceKeyPrefixWith: optional(text),
              ReplaceKeyWith: optional(text),
              HttpRedirectCode: optional(trimmed),
            }),
          ),
        }),
        1,
      ),
    }),
  ),
});

export const WEBSITE = schema('WebsiteConfiguration', shape, checkRules);

export type WebsiteConfiguration = NodeValue<typeof shape>;
export type RoutingRule = NonNullable<WebsiteConfiguration['RoutingRules']>['RoutingRule'][number];

function argument(message: string): S3Error {
  return new S3Error('InvalidArgument', { message });
}

function request(message: string): S3Error {
  return new S3Error('InvalidRequest', { message });
}

/** What goes into a Location header must not be able to start another header. */
function checkPlain(value: string | undefined): void {
  // oxlint-disable-next-line no-control-regex
  if (value !== undefined && /[\u0000-\u001f\u007f]/.test(value)) throw new S3Error('MalformedXML');
}

const HOST = /^[A-Za-z0-9.-]{1,255}(:\d{1,5})?$/;

function checkHost(host: string | undefined): void {
  if (host !== undefined && !HOST.test(host)) throw argument('The HostName is not well formed');
}

function checkRule({ Condition, Redirect }: RoutingRule): void {
  const { HttpErrorCodeReturnedEquals: error, KeyPrefixEquals: prefix } = Condition ?? {};
  if (Condition !== undefined && error === undefined && prefix === undefined) {
    throw request(
      'Condition cannot be empty. To redirect all requests without a condition, ' +
        "the condition element shouldn't be present.",
    );
  }
  if (error !== undefined && !/^[45]\d\d$/.test(error)) {
    throw request(
      'The provided HTTP error code (' + error + ') is not valid. Valid codes are 4XX or 5XX.',
    );
  }
  const { HttpRedirectCode: code, ReplaceKeyWith, ReplaceKeyPrefixWith, HostName } = Redirect;
  if (Object.values(Redirect).every((value) => value === undefined)) {
    throw new S3Error('MalformedXML');
  }
  if (ReplaceKeyWith !== undefined && ReplaceKeyPrefixWith !== undefined) {
    throw request('You can only define ReplaceKeyPrefix or ReplaceKey but not both.');
  }
  if (code !== undefined && !/^30[1-8]$/.test(code)) {
    throw request(
      `The provided HTTP redirect code (${code}) is not valid. Valid codes are 3XX except 300.`,
    );
  }
  checkHost(HostName);
  checkPlain(ReplaceKeyWith);
  checkPlain(ReplaceKeyPrefixWith);
}

function checkRules(value: WebsiteConfiguration): void {
  const { RedirectAllRequestsTo: all, IndexDocument, ErrorDocument, RoutingRules } = value;
  if (all !== undefined) {
    if (IndexDocument !== undefined || ErrorDocument !== undefined || RoutingRules !== undefined) {
      throw request(
        'RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.',
      );
    }
    checkHost(all.HostName);
    return;
  }
  if (IndexDocument === undefined) {
    throw argument(
      'A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty',
    );
  }
  if (IndexDocument.Suffix === '' || IndexDocument.Suffix.includes('/')) {
    throw argument('The IndexDocument Suffix is not well formed');
  }
  if (ErrorDocument?.Key === '') throw argument('The ErrorDocument Key is not well formed');
  const rules = RoutingRules?.RoutingRule ?? [];
  if (rules.length > LIMITS.routingRuleCount) {
    throw request(
      `${rules.length} routing rules provided, the number of routing rules in a website ` +
        `configuration is limited to ${LIMITS.routingRuleCount}.`,
    );
  }
  for (const rule of rules) checkRule(rule);
}
