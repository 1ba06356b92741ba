import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto';
import { generate } from 'selfsigned';
import {
  AUTHORITY_MS,
  BACKDATED_MS,
  type CertificateFacts,
  type CertificateSet,
  type KeyPair,
  SERVING_MS,
  type Validity,
} from '../core/inject/certificate.ts';

const CURVE = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;
/** Authorities that are still valid are kept trusted, the newest of them: more than one is rare. */
const MAX_TRUSTED = 3;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** A new authority (ECDSA P-256). */
export async function makeAuthority(nowMs: number): Promise<KeyPair> {
  // each has a name of its own: OpenSSL tries only the first of several with one name
  const name = `spillway injector ${randomUUID()}`;
  const { cert, private: key } = await generate([{ name: 'commonName', value: name }], {
    ...CURVE,
    ...lasting(nowMs, AUTHORITY_MS),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { certificate: withEnd(cert), key: withEnd(key) };
}

/** A certificate to serve under a name, signed by an authority. */
export async function makeServing(dnsName: string, authority: KeyPair, nowMs: number): Promise<KeyPair> {
  // a common name holds 64 characters; the alternative name is what counts
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'spillway injector' }], {
    ...CURVE,
    ...lasting(nowMs, SERVING_MS),
    ca: { key: authority.key, cert: authority.certificate },
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: dnsName }] },
    ],
  });
  return { certificate: withEnd(cert), key: withEnd(key) };
}

function lasting(nowMs: number, lifeMs: number) {
  return {
    notBeforeDate: new Date(nowMs - BACKDATED_MS),
    notAfterDate: new Date(nowMs - BACKDATED_MS + lifeMs),
  };
}

const withEnd = (pem: string) => `${pem.trim().replaceAll('\r\n', '\n')}\n`;

/** Looks at what is stored: what cannot be used is as if it were not there. Never throws. */
export function examine({ serving, authority, trusted }: CertificateSet, dnsName: string): CertificateFacts {
  const signer = usable(authority);
  if (!signer?.ca || !authoritiesOf(trusted).some(({ raw }) => raw.equals(signer.raw)))
    return { authority: undefined, serving: undefined };
  const leaf = usable(serving);
  const good =
    leaf?.checkHost(dnsName, { subject: 'never' }) !== undefined &&
    leaf.checkIssued(signer) &&
    leaf.verify(signer.publicKey);
  return { authority: validityOf(signer), serving: leaf && good ? validityOf(leaf) : undefined };
}

/** How long a pair holds; `undefined` when it cannot be read or its halves do not belong together. */
export function pairValidity(pair: KeyPair): Validity | undefined {
  const certificate = usable(pair);
  return certificate && validityOf(certificate);
}

/** Several texts of authorities as one, each once, without those that have expired. */
export function trustedAuthorities(texts: readonly string[], nowMs: number): string {
  const found = new Map(
    texts.flatMap(authoritiesOf).map((certificate) => [certificate.fingerprint256, certificate]),
  );
  return [...found.values()]
    .filter((certificate) => validityOf(certificate).untilMs > nowMs)
    .slice(0, MAX_TRUSTED)
    .map((certificate) => withEnd(certificate.toString()))
    .join('');
}

function usable({ certificate, key }: KeyPair): X509Certificate | undefined {
  try {
    const parsed = new X509Certificate(certificate);
    return parsed.checkPrivateKey(createPrivateKey(key)) ? parsed : undefined;
  } catch {
    return undefined; // not PEM, or another kind of key
  }
}

function authoritiesOf(text: string): X509Certificate[] {
  return (text.match(PEM_CERTIFICATE) ?? []).flatMap((pem) => {
    try {
      return [new X509Certificate(pem)];
    } catch {
      return [];
    }
  });
}

function validityOf({ validFrom, validTo }: X509Certificate): Validity {
  return { fromMs: Date.parse(validFrom), untilMs: Date.parse(validTo) };
}
