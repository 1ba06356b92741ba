import { get } from 'node:http';
import { formatAddress } from '../../core/lib/address.ts';

const MAX_ANSWER_BYTES = 64 * 1024;

/** What an address answers when asked for its list of targets. */
export type TargetList =
  | { kind: 'inspector'; url: string }
  /** It answered, and not as Node's inspector does. */
  | { kind: 'other' }
  /** No answer, or none in time: a program that is busy. Node's inspector answers from a thread of its own. */
  | { kind: 'silent' };

/**
 * Asks `GET /json/list`, as debuggers do (https://nodejs.org/learn/getting-started/debugging). Never throws.
 * @param host as the kernel names it; a wildcard is reached by its loopback address
 */
export function askTargetList(host: string, port: number, timeoutMs: number): Promise<TargetList> {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(timeoutMs);
    let answered = false;
    const failed = () => resolve({ kind: signal.aborted || !answered ? 'silent' : 'other' });
    const request = get({ host: reachable, port, path: '/json/list', agent: false, signal }, (answer) => {
      answered = true;
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MAX_ANSWER_BYTES) request.destroy();
      });
      answer.on('end', () => {
        request.destroy(); // the inspector leaves it open
        const id = nodeTarget(text);
        const place = formatAddress({ host: reachable, port });
        resolve(id ? { kind: 'inspector', url: `ws://${place}/${id}` } : { kind: 'other' });
      });
      answer.on('error', failed);
    });
    request.on('error', failed);
  });
}

/** Node lists one target, of type `node`, with an id that is also the path of its WebSocket. */
function nodeTarget(text: string): string | undefined {
  try {
    const [target] = JSON.parse(text) as { type?: unknown; id?: unknown }[];
    return target?.type === 'node' && typeof target.id === 'string' && /^[\w-]+$/.test(target.id)
      ? target.id
      : undefined;
  } catch {
    return undefined;
  }
}
