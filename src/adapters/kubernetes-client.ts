// Of the Kubernetes client only the class for Events, by its own path: the package's index loads every API there is.
import { ApiException } from '@kubernetes/client-node/dist/gen/apis/exception.js';
import { createConfiguration } from '@kubernetes/client-node/dist/gen/configuration.js';
import {
  type RequestContext,
  ResponseContext,
  wrapHttpLibrary,
} from '@kubernetes/client-node/dist/gen/http/http.js';
import type { EventsV1Event } from '@kubernetes/client-node/dist/gen/models/EventsV1Event.js';
import { ServerConfiguration } from '@kubernetes/client-node/dist/gen/servers.js';
import { PromiseEventsV1Api } from '@kubernetes/client-node/dist/gen/types/PromiseAPI.js';
import { V1MicroTime } from '@kubernetes/client-node/dist/types.js';
import { formatAddress } from '../core/lib/address.ts';
import { askedWaitMs } from '../core/lib/http-retry-after.ts';
import type { ApiAnswer, EventSeries, EventsApi, KubernetesEvent } from '../core/report/kubernetes-event.ts';
import { type ApiServer, createApiConnection } from './kubernetes-https.ts';

export interface KubernetesClientOptions extends ApiServer {
  /** Spillway's version, told in `User-Agent`. */
  version: string;
}

/**
 * The API for Events, over a connection of our own: the client's would open one for each request, follow redirects and
 * remember a token for a minute. Loaded when the first Event is to be sent: 0.8 MiB of anonymous memory as built (10 MiB
 * with every model of the client) and 5 ms.
 */
export function createEventsApi(options: KubernetesClientOptions): EventsApi & { close(): void } {
  const { version } = options;
  const connection = createApiConnection(options);
  const origin = `https://${formatAddress(options)}`;
  const userAgent = `spillway/${version}`;

  /** The API over one signal: a request of this client carries none. */
  const during = (signal: AbortSignal) =>
    new PromiseEventsV1Api(
      createConfiguration({
        baseServer: new ServerConfiguration(origin, {}),
        httpApi: wrapHttpLibrary({
          send: async (context: RequestContext) => {
            const { pathname, search } = new URL(context.getUrl());
            const method = context.getHttpMethod().toString();
            const patch = method === 'PATCH' ? { 'Content-Type': 'application/merge-patch+json' } : {};
            const { status, headers, body } = await connection.send({
              method,
              path: pathname + search,
              headers: { ...context.getHeaders(), 'User-Agent': userAgent, ...patch },
              body: String(context.getBody() ?? ''),
              signal,
            });
            const binary = async () => Buffer.from(body);
            return new ResponseContext(status, headers, { text: async () => body, binary });
          },
        }),
      }),
    );

  return {
    create: (event, signal) =>
      answered(during(signal).createNamespacedEvent(event.metadata.namespace, toApi(event))),
    patchSeries: ({ metadata: { name, namespace } }, series, signal) =>
      answered(during(signal).patchNamespacedEvent(name, namespace, { series: seriesToApi(series) })),
    close: () => connection.close(),
  };
}

function toApi({ eventTime, series, ...rest }: KubernetesEvent): EventsV1Event {
  return {
    ...rest,
    eventTime: new V1MicroTime(eventTime),
    ...(series ? { series: seriesToApi(series) } : {}),
  };
}

function seriesToApi({ count, lastObservedTime }: EventSeries) {
  return { count, lastObservedTime: new V1MicroTime(lastObservedTime) };
}

/** An answer that is no success is an answer too; what is left to throw is that there was none. */
async function answered(request: Promise<unknown>): Promise<ApiAnswer> {
  try {
    await request;
    return { status: 200, reason: '', message: '', retryAfterMs: undefined };
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    return { status: error.code, ...told(error.body), retryAfterMs: askedWaitMs(error.headers, Date.now()) };
  }
}

/** The `Status` object in the body; what is not one (a proxy's page) says nothing. */
function told(body: unknown): Pick<ApiAnswer, 'reason' | 'message'> {
  try {
    const status = JSON.parse(String(body)) as { reason?: unknown; message?: unknown } | null;
    return { reason: String(status?.reason ?? ''), message: String(status?.message ?? '') };
  } catch {
    return { reason: '', message: '' };
  }
}
