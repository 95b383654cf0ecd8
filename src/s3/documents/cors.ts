/**
 * The CORS document of a bucket and its rules: which methods there are, and that an origin or a
 * header carries at most one wildcard. What the rules mean for a request stands in `s3/cors.ts`.
 */
import { LIMITS } from '../../base/limits.ts';
import { S3Error } from '../../base/s3-error.ts';
import { type DocumentValue, many, optional, schema, struct, trimmed, whole } from './schema.ts';

const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'POST', 'DELETE', 'HEAD']);

function invalid(message: string): S3Error {
  return new S3Error('InvalidRequest', { message });
}

function checkWildcards(what: string, patterns: readonly string[]): void {
  for (const pattern of patterns) {
    if (pattern.split('*').length <= 2) continue;
    throw invalid(`${what} "${pattern}" can not have more than one wildcard.`);
  }
}

export const CORS = schema(
  'CORSConfiguration',
  struct({
    CORSRule: many(
      struct({
        ID: optional(trimmed),
        AllowedHeader: many(trimmed),
        AllowedMethod: many(trimmed, 1),
        AllowedOrigin: many(trimmed, 1),
        ExposeHeader: many(trimmed),
        MaxAgeSeconds: optional(whole),
      }),
      1,
    ),
  }),
  ({ CORSRule }) => {
    if (CORSRule.length > LIMITS.corsRuleCount) {
      throw invalid(
        `The number of CORS rules should not exceed allowed limit of ${LIMITS.corsRuleCount} rules.`,
      );
    }
    for (const rule of CORSRule) {
      for (const method of rule.AllowedMethod) {
        if (METHODS.has(method)) continue;
        throw invalid(
          `Found unsupported HTTP method in CORS config. Unsupported method is ${method}`,
        );
      }
      checkWildcards('AllowedOrigin', rule.AllowedOrigin);
      checkWildcards('AllowedHeader', rule.AllowedHeader);
      for (const header of rule.ExposeHeader) {
        if (!header.includes('*')) continue;
        throw invalid(
          `ExposeHeader "${header}" contains wildcard. ` +
            'We currently do not support wildcard for ExposeHeader.',
        );
      }
      if ((rule.ID?.length ?? 0) > LIMITS.ruleIdChars) {
        throw new S3Error('InvalidArgument', {
          message: `ID length should not exceed allowed limit of ${LIMITS.ruleIdChars}`,
        });
      }
      if ((rule.MaxAgeSeconds ?? 0) < 0) throw new S3Error('MalformedXML');
    }
  },
);

export type CorsConfiguration = DocumentValue<typeof CORS>;
