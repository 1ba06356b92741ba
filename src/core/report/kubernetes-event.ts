import { factsOf, type GuardianEvent } from '../model/events.ts';
import { eventNote } from './event-note.ts';

/** The pod that events are about. */
export interface PodIdentity {
  namespace: string;
  name: string;
  /** Without it `kubectl describe pod` does not find the events, `kubectl get events` does. */
  uid: string | undefined;
  /** Whose token it is; `undefined` where that is unknown. */
  serviceAccount: string | undefined;
}

/** How often a reason came, and when last. */
export interface EventSeries {
  /** At least 2. */
  count: number;
  /** ISO 8601. */
  lastObservedTime: string;
}

/** An Event of `events.k8s.io/v1`, in the API's own words. */
export interface KubernetesEvent {
  metadata: { name: string; namespace: string };
  regarding: { apiVersion: 'v1'; kind: 'Pod'; name: string; namespace: string; uid?: string };
  reportingController: string;
  reportingInstance: string;
  reason: string;
  action: string;
  type: 'Normal' | 'Warning';
  note: string;
  /** ISO 8601: when it happened (the first time), not when it is sent. */
  eventTime: string;
  series?: EventSeries;
}

/** What the API server answered. */
export interface ApiAnswer {
  status: number;
  /** Its own word and sentence for a failure. */
  reason: string;
  message: string;
  retryAfterMs: number | undefined;
}

/** The part of the Kubernetes API that is used. Both throw when there is no answer. */
export interface EventsApi {
  create(event: KubernetesEvent, signal: AbortSignal): Promise<ApiAnswer>;
  /** Sets count and last time of an event that was sent before. */
  patchSeries(
    event: Pick<KubernetesEvent, 'metadata'>,
    series: EventSeries,
    signal: AbortSignal,
  ): Promise<ApiAnswer>;
}

const CONTROLLER = 'spillway.dev/guardian';
/** Limits of the API: names of objects, `reportingInstance`. */
const MAX_NAME = 253;
const MAX_INSTANCE = 128;

/** The Kubernetes Event for an event of the guardian. The name follows from its id: sent twice, it is there once. */
export function kubernetesEvent(event: GuardianEvent, pod: PodIdentity): KubernetesEvent {
  const { namespace, name, uid } = pod;
  const suffix = `.${event.id.toLowerCase().replace(/[^a-z0-9-]/g, '-')}`;
  const stem = name.slice(0, MAX_NAME - suffix.length).replace(/[^a-z0-9]+$/, '');
  return {
    metadata: { name: stem + suffix, namespace },
    regarding: { apiVersion: 'v1', kind: 'Pod', name, namespace, ...(uid === undefined ? {} : { uid }) },
    reportingController: CONTROLLER,
    reportingInstance: name.slice(0, MAX_INSTANCE),
    reason: event.reason,
    action: factsOf(event.reason).action,
    type: event.type,
    note: eventNote(event),
    eventTime: event.firstAt ?? event.at,
    ...(event.count > 1 ? { series: { count: event.count, lastObservedTime: event.at } } : {}),
  };
}

/** The manifests that allow a service account to post Events in its namespace, and nothing else. */
export function eventRights(namespace: string, serviceAccount: string): string {
  return `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: spillway-events, namespace: ${namespace}}
rules:
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: spillway-events, namespace: ${namespace}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: spillway-events}
subjects:
- {kind: ServiceAccount, name: ${serviceAccount}, namespace: ${namespace}}
`;
}
