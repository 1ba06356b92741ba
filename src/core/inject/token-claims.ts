/** What a service account token says of who holds it. */
export interface TokenClaims {
  namespace: string | undefined;
  serviceAccount: string | undefined;
  /** Only in tokens that are bound to a pod: those of projected volumes. */
  podName: string | undefined;
  podUid: string | undefined;
}

type Json = Readonly<Record<string, unknown>>;
const inside = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Json)[key] : undefined;
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/**
 * Reads the claims of a token: its middle part is JSON in base64url. Nothing is verified: it is our own token, and what it
 * says is sent to the API server, which does verify it. A token that cannot be read claims nothing.
 */
export function tokenClaims(token: string): TokenClaims {
  let claims: unknown;
  try {
    const base64 = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    claims = inside(JSON.parse(new TextDecoder().decode(bytes)), 'kubernetes.io');
  } catch {
    claims = undefined; // no JWT: an API server may take other tokens too
  }
  return {
    namespace: text(inside(claims, 'namespace')),
    serviceAccount: text(inside(inside(claims, 'serviceaccount'), 'name')),
    podName: text(inside(inside(claims, 'pod'), 'name')),
    podUid: text(inside(inside(claims, 'pod'), 'uid')),
  };
}
