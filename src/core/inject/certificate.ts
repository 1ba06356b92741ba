/** A certificate with its key, both PEM. */
export interface KeyPair {
  certificate: string;
  key: string;
}

/** What a webhook's replicas share: what they serve, and the authority that signs it. */
export interface CertificateSet {
  serving: KeyPair;
  authority: KeyPair;
  /** Authorities to trust, PEM: the one above first, then those before it that are still valid. */
  trusted: string;
}

/** In milliseconds since 1970. */
export interface Validity {
  fromMs: number;
  untilMs: number;
}

/** How long what is stored holds; `undefined` for what is missing or cannot be used. */
export interface CertificateFacts {
  authority: Validity | undefined;
  /** Signed by that authority, for the right name. */
  serving: Validity | undefined;
}

/** What is to be made new; a new authority signs a new certificate. */
export type CertificateNeed = 'nothing' | 'certificate' | 'authority';

const DAY_MS = 24 * 3600e3;
/** The authority: longer than clusters live, and it is renewed all the same. */
export const AUTHORITY_MS = 10 * 365 * DAY_MS;
/** What is served: 90 days, as public authorities give. */
export const SERVING_MS = 90 * DAY_MS;
/** Begins in the past: the API server's clock may be slow. */
export const BACKDATED_MS = 3600e3;
/** Renewed after two thirds of its life: a third is left to notice when that fails. */
const RENEW_AT = 2 / 3;

/** What is to be made new now. */
export function certificateNeed({ authority, serving }: CertificateFacts, nowMs: number): CertificateNeed {
  if (!authority || isDue(authority, nowMs)) return 'authority';
  return !serving || isDue(serving, nowMs) ? 'certificate' : 'nothing';
}

function isDue({ fromMs, untilMs }: Validity, nowMs: number): boolean {
  return nowMs < fromMs || nowMs >= fromMs + (untilMs - fromMs) * RENEW_AT;
}
