/** The only error that the stores (`meta/`, `chunks/`) throw for operating faults. */

export type StoreErrorKind = 'unavailable' | 'corrupt' | 'full' | 'timeout' | 'limit';

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly kind: StoreErrorKind;
  constructor(kind: StoreErrorKind, message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}
