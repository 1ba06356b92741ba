import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { isIPv6 } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { formatAddress } from '../core/lib/address.ts';
import { errnoOf, messageOf, SpillwayError } from '../core/lib/errors.ts';

export interface ApiServer {
  /** Name or address; IPv6 without brackets. */
  host: string;
  port: number;
  /** Its certificate authority, PEM. */
  caFile: string;
  /** Bearer token, read anew for each request: the kubelet replaces it long before it expires. */
  tokenFile: string;
}

export interface ApiRequest {
  method: string;
  /** With the query. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  signal: AbortSignal;
}

export interface ApiResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** The connection is closed when nothing was sent for this time; the API server itself keeps it for 90 s. */
const IDLE_MS = 10_000;
/** An Event is some 2 kB; what answers more is no API server. */
const MAX_ANSWER_BYTES = 256 * 1024;
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME|^ERR_TLS/;

/**
 * Sends requests to the API server over one connection, or a few, kept for a while. Plain `node:https` with an agent of its own:
 * no proxy variable diverts it, no redirect is followed, nothing but the cluster's authority is trusted. After a 401 the
 * request is sent again at once if the token has changed meanwhile, and the authority is read again after a certificate that
 * it does not cover.
 */
export function createApiConnection(server: ApiServer, maxSockets = 1) {
  let agent: Agent | undefined;

  async function open(): Promise<Agent> {
    const ca = await textOf(server.caFile);
    return new Agent({ ca, keepAlive: true, maxSockets, timeout: IDLE_MS, checkServerIdentity: identity });
  }

  async function once(token: string, asked: ApiRequest): Promise<ApiResponse> {
    agent ??= await open();
    try {
      return await exchange(server, agent, token, asked);
    } catch (error) {
      asked.signal.throwIfAborted();
      const code = errnoOf(error) ?? '';
      const place = `the API server at ${formatAddress(server)}`;
      if (!CERTIFICATE.test(code)) throw new Error(`${place}: ${explain(error, code)}`, { cause: error });
      agent.destroy();
      agent = undefined;
      throw new Error(`${server.caFile} does not verify ${place} (${explain(error, code)})`, {
        cause: error,
      });
    }
  }

  return {
    /** @throws when there is no answer */
    async send(asked: ApiRequest): Promise<ApiResponse> {
      const token = await textOf(server.tokenFile);
      const answer = await once(token, asked);
      if (answer.status !== 401) return answer;
      const fresh = await textOf(server.tokenFile);
      return fresh === token ? answer : once(fresh, asked);
    },
    /** Lets the connection go. */
    close(): void {
      agent?.destroy();
      agent = undefined;
    },
  };
}

/** As Node does, but for IPv6 addresses: those Node 22.23 takes for names, and refuses every certificate. */
function identity(host: string, certificate: PeerCertificate): Error | undefined {
  if (isIPv6(host) && new X509Certificate(certificate.raw).checkIP(host) !== undefined) return undefined;
  return checkServerIdentity(host, certificate);
}

function exchange(
  { host, port }: ApiServer,
  agent: Agent,
  token: string,
  { method, path, headers, body, signal }: ApiRequest,
): Promise<ApiResponse> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ host, port, agent, method, path, signal },
        headers: { ...headers, authorization: `Bearer ${token}`, 'content-length': Buffer.byteLength(body) },
      },
      (answer) => void bodyOf(answer).then((text) => resolve(responseOf(answer, text)), reject),
    );
    sent.on('error', reject).end(body);
  });
}

async function bodyOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function responseOf(answer: IncomingMessage, body: string): ApiResponse {
  const headers = Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [name, String(value)]),
  );
  return { status: answer.statusCode ?? 0, headers, body };
}

async function textOf(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new SpillwayError('read', `${file} cannot be read: ${errnoOf(cause) ?? messageOf(cause)}`, {
      cause,
    });
  }
}

/** Several addresses failing at once arrive as one error with a code and no message. */
function explain(error: unknown, code: string): string {
  const text = messageOf(error) || code || 'failed';
  return code && !text.includes(code) ? `${text} (${code})` : text;
}
