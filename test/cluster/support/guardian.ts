import type { EventsV1Event, V1EndpointSlice } from '@kubernetes/client-node';
import type { EventReason } from '../../../src/core/model/events.ts';
import type { Status } from '../../../src/core/model/status.ts';
import { ask, call, pathOf, until } from './api.ts';
import { PATIENCE } from './environment.ts';

/** Asks a pod's guardian, by way of the API server. */
export function askGuardian<T>(namespace: string, pod: string, path: string): Promise<T> {
  return ask('GET', `${pathOf('Pod', namespace, `${pod}:9797`)}/proxy${path}`);
}

export function statusOf(namespace: string, pod: string): Promise<Status> {
  return askGuardian(namespace, pod, '/v1/status');
}

/** One value of the guardian's metrics; the series is written as it stands there. */
export async function metricOf(namespace: string, pod: string, series: string): Promise<number> {
  const { text } = await call('GET', `${pathOf('Pod', namespace, `${pod}:9797`)}/proxy/metrics`);
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? Number.NaN);
}

/** Asks again and again, as there is nothing to watch: what the guardian knows is not in the API. */
export async function untilStatus(
  namespace: string,
  pod: string,
  what: string,
  accept: (status: Status) => boolean,
  limitMs = 60_000 * PATIENCE,
): Promise<Status> {
  const end = Date.now() + limitMs;
  let last: unknown;
  while (Date.now() < end) {
    try {
      const status = await statusOf(namespace, pod);
      if (accept(status)) return status;
      last = status;
    } catch (error) {
      last = error; // a guardian that is just starting
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(
    `not within ${limitMs / 1000} s: ${what}; last: ${last instanceof Error ? last : JSON.stringify(last)}`,
  );
}

/** How many MiB more would bring an agent to this ratio. */
export function mibTo(ratio: number, { usedBytes, reclaimableBytes, limitBytes }: Status): number {
  const heldBytes = (usedBytes ?? 0) - (reclaimableBytes ?? 0);
  return Math.round(((limitBytes ?? 0) * ratio - heldBytes) / 2 ** 20);
}

export interface PodEvent {
  reason: EventReason;
  type: string;
  note: string;
  /** Milliseconds since 1970. */
  at: number;
}

/** Waits until a pod has these Events; gives all that the guardian has posted, in the order of their own times. */
export function untilEvents(namespace: string, pod: string, ...reasons: EventReason[]): Promise<PodEvent[]> {
  return until<EventsV1Event, PodEvent[]>(
    `Events ${reasons} on ${pod}`,
    { path: pathOf('Event', namespace) },
    (all) => {
      const events = eventsOf(all, pod);
      return reasons.every((reason) => events.some((event) => event.reason === reason)) && events;
    },
    90_000 * PATIENCE,
  );
}

export function eventsOf(all: EventsV1Event[], pod: string): PodEvent[] {
  return all
    .filter(
      ({ regarding, reportingController }) =>
        regarding?.name === pod && reportingController?.includes('spillway'),
    )
    .map(({ reason = '', type = '', note = '', eventTime }) => ({
      ...{ reason: reason as EventReason, type, note },
      at: Date.parse(`${eventTime}`),
    }))
    .sort((a, b) => a.at - b.at);
}

export async function eventsOn(namespace: string, pod: string): Promise<PodEvent[]> {
  const { items } = await ask<{ items: EventsV1Event[] }>('GET', pathOf('Event', namespace));
  return eventsOf(items, pod);
}

/** Waits until a pod is among the endpoints that get traffic, or is not; gives the time at which this was seen. */
export function untilServing(
  namespace: string,
  service: string,
  pod: string,
  serving: boolean,
): Promise<number> {
  return until<V1EndpointSlice, number>(
    `${pod} is ${serving ? '' : 'not '}among the endpoints of ${service}`,
    {
      path: pathOf('EndpointSlice', namespace),
      query: { labelSelector: `kubernetes.io/service-name=${service}` },
    },
    (slices, { at }) => {
      const endpoints = slices.flatMap(({ endpoints }) => endpoints ?? []);
      const ready = endpoints.some(
        ({ targetRef, conditions }) => targetRef?.name === pod && conditions?.ready,
      );
      return ready === serving && at;
    },
    90_000 * PATIENCE,
  );
}
