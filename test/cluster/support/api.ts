import { request } from 'node:https';
import { KubeConfig, type KubernetesObject, Watch } from '@kubernetes/client-node';

/** Whatever KUBECONFIG names. The tests know nothing else of the cluster. */
const config = new KubeConfig();
config.loadFromDefault();
const REQUEST_MS = 60_000;

/** What the API server said. */
export interface Answer<T> {
  status: number;
  body: T;
  text: string;
  /** What kubectl would show as `Warning: …`. */
  warnings: string[];
}

/** Any status is an answer. @throws Error when there is none */
export async function call<T = unknown>(
  method: string,
  path: string,
  body?: unknown,
  contentType = 'application/json',
): Promise<Answer<T>> {
  const { hostname, port, protocol } = new URL(config.getCurrentCluster()?.server ?? '');
  const options = {
    ...{ hostname, port, protocol, path, method, timeout: REQUEST_MS },
    headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': contentType }) },
  };
  await config.applyToHTTPSOptions(options);
  return new Promise((resolve, reject) => {
    const outgoing = request(options, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      incoming.on('error', reject).on('end', () => {
        const warnings = [incoming.headers['warning'] ?? []].flat().flatMap((line) => warningsOf(`${line}`));
        resolve({ status: incoming.statusCode ?? 0, body: parsed<T>(text), text, warnings });
      });
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no answer`)));
    outgoing.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** @throws Error with the server's own words on any status of 400 or more */
export async function ask<T = unknown>(
  method: string,
  path: string,
  body?: unknown,
  contentType?: string,
): Promise<T> {
  const answer = await call<T>(method, path, body, contentType);
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.body;
}

const GROUPS: Record<string, string> = {
  Namespace: '/api/v1/namespaces',
  Pod: '/api/v1/pods',
  Service: '/api/v1/services',
  ServiceAccount: '/api/v1/serviceaccounts',
  ConfigMap: '/api/v1/configmaps',
  Deployment: '/apis/apps/v1/deployments',
  Job: '/apis/batch/v1/jobs',
  CronJob: '/apis/batch/v1/cronjobs',
  EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices',
  Event: '/apis/events.k8s.io/v1/events',
};

/** `Pod`, `demo` → `/api/v1/namespaces/demo/pods`. */
export function pathOf(kind: string, namespace?: string, name?: string): string {
  const all = GROUPS[kind];
  if (all === undefined) throw new Error(`no path is known for ${kind}`);
  const scope = namespace === undefined ? all : all.replace(/\/(\w+)$/, `/namespaces/${namespace}/$1`);
  return name === undefined ? scope : `${scope}/${name}`;
}

/** Creates an object and gives what the server made of it, and its warnings. */
export async function create<T extends KubernetesObject>(
  object: T & { kind: string },
): Promise<{ made: T; warnings: string[] }> {
  const answer = await call<T>('POST', pathOf(object.kind, object.metadata?.namespace), object);
  if (answer.status >= 400) throw new Error(`${object.kind} ${object.metadata?.name}: ${answer.text}`);
  return { made: answer.body, warnings: answer.warnings };
}

export interface Seen<T> {
  at: number;
  phase: string;
  object: T;
}

/**
 * Follows a kind until `accept` takes what is there: each state is looked at the moment it arrives, none is polled for.
 * @throws Error after `limitMs`, with the last state of each object in short
 */
export async function until<T extends KubernetesObject, R>(
  what: string,
  { path, query = {} }: { path: string; query?: Record<string, string> },
  accept: (objects: T[], seen: Seen<T>) => R | undefined | false,
  limitMs = 120_000,
): Promise<R> {
  const known = new Map<string, T>();
  let watching: AbortController | undefined;
  let finished = false;
  try {
    return await new Promise<R>((resolve, reject) => {
      const timer = setTimeout(() => {
        const last = [...known.values()].map((object) => JSON.stringify(shortOf(object))).join('\n');
        reject(new Error(`not within ${limitMs / 1000} s: ${what}; last seen:\n${last.slice(0, 4000)}`));
      }, limitMs);
      const follow = () => {
        if (finished) return;
        known.clear();
        new Watch(config)
          .watch(
            path,
            query,
            (phase, object: T) => {
              const key = object.metadata?.uid ?? '';
              if (phase === 'DELETED') known.delete(key);
              else known.set(key, object);
              try {
                const result = accept([...known.values()], { at: Date.now(), phase, object });
                if (result === undefined || result === false) return;
                clearTimeout(timer);
                resolve(result);
              } catch (error) {
                clearTimeout(timer);
                reject(error);
              }
            },
            () => setTimeout(follow, 200),
          )
          .then(
            (controller) => {
              watching = controller;
              if (finished) controller.abort();
            },
            () => setTimeout(follow, 200),
          );
      };
      follow();
    });
  } finally {
    finished = true;
    watching?.abort();
  }
}

function shortOf(
  object: KubernetesObject & { status?: unknown; note?: unknown; endpoints?: unknown },
): unknown {
  const { metadata, status, note, endpoints } = object;
  return { name: metadata?.name, status, note, endpoints };
}

/** `299 - "text"`, several in a line. */
function warningsOf(line: string): string[] {
  return [...line.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) =>
    text.replace(/\\(.)/g, '$1'),
  );
}

function parsed<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    return text as T; // a pod behind the proxy may say anything
  }
}

export { config };
