import type { Bounds, LimitRange, ResourceQuota } from '../core/inject/room.ts';
import { messageOf } from '../core/lib/errors.ts';
import { type ApiServer, createApiConnection } from './kubernetes-https.ts';

/** Longest time for an answer: the API server waits for the webhook no shorter than a second. */
const ANSWER_MS = 500;
/** Where there are none, none are asked for again for so long. Where there are some, each pod changes what is left. */
const NONE_MS = 2000;
/** Namespaces asked about at the same time, and remembered: beyond, nothing is known of one. */
const [MOST_ASKED, MOST_REMEMBERED] = [32, 1000];
const SOCKETS = 4;

export interface BoundsReader {
  /** `undefined` where they are not known: never throws. */
  read(namespace: string): Promise<Bounds | undefined>;
  close(): void;
}

/**
 * Reads the ResourceQuotas and LimitRanges of namespaces.
 * @param onProblem gets what keeps it from that, once until it is another
 */
export function createBoundsReader(
  server: ApiServer,
  version: string,
  onProblem: (problem: string) => void,
): BoundsReader {
  const connection = createApiConnection(server, SOCKETS);
  const asked = new Map<string, Promise<Bounds | undefined>>();
  /** Namespaces without any, and until when. */
  const free = new Map<string, number>();
  let said = '';

  async function list<T>(namespace: string, resource: string, signal: AbortSignal): Promise<T[]> {
    const { status, body } = await connection.send({
      method: 'GET',
      path: `/api/v1/namespaces/${namespace}/${resource}`,
      headers: { accept: 'application/json', 'user-agent': `spillway-injector/${version}` },
      body: '',
      signal,
    });
    if (status === 403)
      throw new Error('it has no right to list resourcequotas and limitranges (the chart grants it)');
    if (status !== 200) throw new Error(`the API server answered ${status}`);
    return (JSON.parse(body) as { items: T[] }).items;
  }

  async function ask(namespace: string): Promise<Bounds | undefined> {
    const signal = AbortSignal.timeout(ANSWER_MS);
    try {
      const [quotas, limitRanges] = await Promise.all([
        list<ResourceQuota>(namespace, 'resourcequotas', signal),
        list<LimitRange>(namespace, 'limitranges', signal),
      ]);
      if (quotas.length + limitRanges.length === 0) remember(namespace);
      said = '';
      return { quotas, limitRanges };
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== said) onProblem(problem);
      said = problem;
      return undefined;
    } finally {
      asked.delete(namespace);
    }
  }

  function remember(namespace: string): void {
    const [oldest] = free.keys();
    if (free.size >= MOST_REMEMBERED && oldest !== undefined) free.delete(oldest);
    free.delete(namespace);
    free.set(namespace, performance.now() + NONE_MS);
  }

  return {
    async read(namespace) {
      if ((free.get(namespace) ?? 0) > performance.now()) return undefined;
      const under = asked.get(namespace);
      if (under || asked.size >= MOST_ASKED) return under;
      const answer = ask(namespace);
      asked.set(namespace, answer);
      return answer;
    },
    close: () => connection.close(),
  };
}
