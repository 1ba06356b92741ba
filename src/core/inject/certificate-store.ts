import type { CertificateSet } from './certificate.ts';

/** What is stored, and the version that it is written over. */
export interface Stored {
  set: CertificateSet;
  version: string;
}

/** Where replicas share their certificate, and where the API server finds the CA to trust. */
export interface CertificateStore {
  /**
   * What is there may be of any quality, and empty.
   * @throws SpillwayError when the place itself is missing: it is the installer's to make
   */
  read(signal: AbortSignal): Promise<Stored>;
  /**
   * Writes over what was read.
   * @returns whether that was still what is stored: `false` when somebody else was first
   */
  write(set: CertificateSet, over: Stored, signal: AbortSignal): Promise<boolean>;
  /**
   * Has the API server trust these authorities (PEM).
   * @returns whether it did not before
   */
  trust(authorities: string, signal: AbortSignal): Promise<boolean>;
}
