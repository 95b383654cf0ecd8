/** What an identity may do. One seam: policies, ACLs and several users come in behind it. */
import { S3Error } from '../base/s3-error.ts';
import type { Action, Identity } from './operation.ts';

export interface Authorizer {
  /** Throws AccessDenied. Called before anything about the resource is looked up. */
  authorize(
    identity: Identity,
    action: Action,
    bucket: string | undefined,
    key: string | undefined,
  ): void;
}

/** One owner, who may do everything; nobody else may do anything. */
export class OwnerAuthorizer implements Authorizer {
  readonly #ownerId: string;

  constructor(ownerId: string) {
    this.#ownerId = ownerId;
  }

  authorize(identity: Identity): void {
    if (identity.ownerId !== this.#ownerId) throw new S3Error('AccessDenied');
  }
}
