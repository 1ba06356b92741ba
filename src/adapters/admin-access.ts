import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../core/lib/address.ts';
import { hostName } from '../core/lib/host-name.ts';

/** Why a request may not act on the agent. */
export interface Denial {
  status: 401 | 403;
  message: string;
  headers: Record<string, string>;
}

const REALM = 'Bearer realm="spillway"';

/**
 * Who may act on the agent: no web page, neither through a user's browser (it sends `Origin` with every `POST`) nor by a
 * name of its own that points to loopback; and with a token only those who have it.
 * @param loopback the server listens on a loopback address
 */
export function deny(
  request: IncomingMessage,
  { loopback, token }: { loopback: boolean; token: string | undefined },
): Denial | undefined {
  const { host = '', origin, authorization } = request.headers;
  if (origin !== undefined)
    return { status: 403, message: 'requests with an Origin header (web pages) are refused', headers: {} };
  if (loopback && !isLoopback(hostName(host)))
    return { status: 403, message: 'the Host header must name a loopback address', headers: {} };
  if (token === undefined) return undefined;
  const [, given] = /^Bearer +(\S.*)$/i.exec(authorization ?? '') ?? [];
  if (given === undefined)
    return { status: 401, message: 'a token is required', headers: { 'WWW-Authenticate': REALM } };
  if (same(given, token)) return undefined;
  const challenge = `${REALM}, error="invalid_token"`;
  return { status: 401, message: 'the token is invalid', headers: { 'WWW-Authenticate': challenge } };
}

/** In a time that tells nothing about either: digests of equal length are compared whole. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
