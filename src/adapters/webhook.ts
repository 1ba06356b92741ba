import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { errnoOf, messageOf, SpillwayError } from '../core/lib/errors.ts';
import { askedWaitMs } from '../core/lib/http-retry-after.ts';
import type { GuardianEvent } from '../core/model/events.ts';
import type { Sink } from '../core/ports/sink.ts';

/** An answer's body says nothing to us; it is read this far so that the server can finish, then cut off. */
const BODY_LIMIT = { bytes: 64 * 1024, ms: 1000 };
/** Of the 4xx, those that pass: request timeout, too early, too many requests. */
const PASSING = new Set([408, 425, 429]);

export interface WebhookOptions {
  /**
   * `http:` or `https:`; a user and password in it become basic authentication. A function is asked before each attempt: it
   * may come from a file that changes.
   */
  url: string | (() => Promise<string>);
  /** Spillway's version, told in `User-Agent`. */
  version: string;
}

/**
 * Posts each event as JSON, with its id in `X-Spillway-Event-Id` (an event whose answer got lost comes again). Any 2xx counts as
 * taken. Redirects are not followed. Plain `node:http`, one connection per event: events are rare, and a pool or the global
 * `fetch` would stay in memory (`fetch` costs 3 MiB of anonymous memory, a bare request 0.3).
 * @throws {@link SpillwayError} `config` when the URL is given and cannot be used
 */
export function createWebhook({ url, version }: WebhookOptions): Sink {
  const known = typeof url === 'string' ? parse(url) : undefined;
  return {
    name: 'webhook',
    deliver: async (event, signal) => {
      const target = known ?? parse(typeof url === 'string' ? url : await url());
      // Path and query of a webhook are often its secret: messages name the origin alone.
      const place = `webhook ${target.origin}`;
      const answer = await post(target, version, event, signal).catch((error: unknown) => {
        throw new SpillwayError('sink', `${place}: ${explain(error)}`, { cause: error });
      });
      drop(answer);
      judge(place, answer);
    },
  };
}

function parse(url: string): URL {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  try {
    if (target && /^https?:$/.test(target.protocol)) {
      decodeURIComponent(target.username + target.password);
      return target;
    }
  } catch (cause) {
    throw new SpillwayError('config', 'webhook-url: the user or password is not percent-encoded', { cause });
  }
  throw new SpillwayError('config', 'webhook-url is not an http or https URL');
}

function post(
  target: URL,
  version: string,
  event: GuardianEvent,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const body = JSON.stringify(event);
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': `spillway/${version}`,
      'x-spillway-event-id': event.id,
    };
    send(target, { method: 'POST', headers, signal, agent: false }, resolve).on('error', reject).end(body);
  });
}

/** Reads the answer away, bounded in bytes and time, in the background. */
function drop(answer: IncomingMessage): void {
  let bytes = 0;
  const timer = setTimeout(() => answer.destroy(), BODY_LIMIT.ms);
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > BODY_LIMIT.bytes) answer.destroy();
  });
  // The status has been read: how the body ends changes nothing.
  answer.on('error', () => {});
  answer.on('close', () => clearTimeout(timer));
}

function judge(place: string, answer: IncomingMessage): void {
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  const said = `${place} answered ${status} ${answer.statusMessage ?? ''}`.trimEnd();
  if (status >= 300 && status < 400) {
    const to = answer.headers.location ?? '';
    const origin = URL.canParse(to) ? ` to ${new URL(to).origin}` : '';
    throw new SpillwayError('sink', `${said}: redirects${origin} are not followed`, {
      retryable: false,
      hint: 'set webhook-url to the redirect target',
    });
  }
  if (status >= 400 && status < 500 && !PASSING.has(status))
    throw new SpillwayError('sink', said, { retryable: false });
  throw new SpillwayError('sink', said, { retryAfterMs: askedWaitMs(answer.headers, Date.now()) });
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/;

/** Names the failure. Several addresses failing at once arrive as one error with a code and no message. */
function explain(error: unknown): string {
  const code = errnoOf(error);
  const text = messageOf(error) || code || 'failed';
  if (code && CERTIFICATE.test(code))
    return `the certificate is not trusted (${text}); name its CA in NODE_EXTRA_CA_CERTS`;
  if (code === 'EPROTO') return `the server does not speak TLS (${code}): use http instead of https`;
  return code && !text.includes(code) ? `${text} (${code})` : text;
}
