/** What the protocol needs to be opened, and what it tells of itself. Types only. */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Bodies } from '../body/body.ts';
import type { ObjectStore } from '../objects/contract.ts';
import type { AccessLog } from './access-log.ts';
import type { AccessRules } from './access-rules.ts';
import type { Accounts } from './accounts.ts';
import type { CredentialStore } from './authn.ts';
import type { Authorizer } from './authz.ts';
import type { EventSink } from './events.ts';
import type { Identity } from './operation.ts';

export interface GatewayOptions {
  readonly bodies: Bodies;
  readonly objects: ObjectStore;
  readonly credentials: CredentialStore;
  readonly authorizer: Authorizer;
  readonly accounts: Accounts;
  readonly rules: AccessRules;
  /** Configured region; undefined: whatever the scope names. */
  readonly region: string | undefined;
  /** Domains of virtual-host style. */
  readonly domains: readonly string[];
  readonly insecure: boolean;
  /** Accepts signature version 2 as well. */
  readonly sigv2?: boolean | undefined;
  /** Owner of what insecure requests make. */
  readonly rootOwner: Identity;
  /** Targets of event notifications; undefined: there are none. */
  readonly events?: EventSink | undefined;
  /** Delivers access logs of buckets; undefined: nobody does. */
  readonly accessLog?: AccessLog | undefined;
  /** Domains below which buckets are served as websites. */
  readonly websiteDomains?: readonly string[] | undefined;
  /** The length of a day in lifecycle rules. */
  readonly lifecycleDayMs?: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Requests by operation and by error code, since start. */
export interface GatewayStats {
  readonly operations: ReadonlyMap<string, number>;
  readonly errors: ReadonlyMap<string, number>;
}
