import type { CertificateSet } from './certificate.ts';

/** What is stored, and the version that it is written over. */
export interface Stored {
  set: CertificateSet;
  version: string;
}

/** Where replicas share their certificate, and where the API server is told whom to trust. */
export interface CertificateStore {
  /** `undefined` when there is nothing. What is there may be of any quality. */
  read(signal: AbortSignal): Promise<Stored | undefined>;
  /**
   * Writes over what was read, or anew.
   * @returns whether that is still what is stored: `false` when somebody else was first
   */
  write(set: CertificateSet, over: Stored | undefined, signal: AbortSignal): Promise<boolean>;
  /**
   * Has the API server trust these authorities (PEM).
   * @returns whether it did not before
   */
  trust(authorities: string, signal: AbortSignal): Promise<boolean>;
}
