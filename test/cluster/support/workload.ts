import type {
  V1Container,
  V1Deployment,
  V1Pod,
  V1PodSpec,
  V1PodTemplateSpec,
  V1Service,
} from '@kubernetes/client-node';
import { ask, create, pathOf, until } from './api.ts';
import { PATIENCE, TOOLS_IMAGE } from './environment.ts';

export const MIB = 2 ** 20;
/** What the restricted Pod Security Standard asks of a container. */
export const RESTRICTED = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};
export const USER = { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000 };

export interface AgentOptions {
  limitMib?: number;
  /** Whether the pod asks to be guarded. */
  guarded?: boolean;
  annotations?: Record<string, string>;
  /** Changes to the pod, last of all. */
  change?: (spec: V1PodSpec) => void;
}

/** A container that runs a program of the ConfigMap. */
export function container(name: string, command: string[], extra: Partial<V1Container> = {}): V1Container {
  return {
    name,
    image: TOOLS_IMAGE,
    imagePullPolicy: 'IfNotPresent',
    command,
    securityContext: RESTRICTED,
    volumeMounts: [{ name: 'programs', mountPath: '/programs', readOnly: true }],
    ...extra,
  };
}

export function podSpec(containers: V1Container[]): V1PodSpec {
  return {
    securityContext: USER,
    terminationGracePeriodSeconds: 20,
    containers,
    volumes: [{ name: 'programs', configMap: { name: 'programs' } }],
  };
}

/** A pod template with an agent that does all that Kubernetes asks of a server: probe, preStop, end in order. */
export function agentTemplate({
  limitMib = 192,
  guarded = true,
  annotations,
  change,
}: AgentOptions = {}): V1PodTemplateSpec {
  const agent = container('agent', ['node', '/programs/agent.mjs'], {
    ports: [{ containerPort: 8080, protocol: 'TCP' }],
    resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: `${limitMib}Mi` } },
    readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1, timeoutSeconds: 3 },
    // requests still come until every node has heard that the endpoint is gone
    lifecycle: { preStop: { sleep: { seconds: 4 } } },
  });
  const template: V1PodTemplateSpec & { metadata: object; spec: V1PodSpec } = {
    metadata: {
      labels: { app: 'agent', ...(guarded ? { 'spillway.dev/inject': 'true' } : {}) },
      // the agent has no token; its guardian posts Events all the same
      annotations: { ...(guarded ? { 'spillway.dev/events': 'on' } : {}), ...annotations },
    },
    spec: podSpec([agent]),
  };
  change?.(template.spec);
  return template;
}

export async function deploy(namespace: string, name: string, replicas: number, template: V1PodTemplateSpec) {
  const labels = { app: name };
  template.metadata = { ...template.metadata, labels: { ...template.metadata?.labels, ...labels } };
  const deployment: V1Deployment & { kind: string } = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: { replicas, selector: { matchLabels: labels }, template },
  };
  return await create(deployment);
}

/** @returns its address inside the cluster */
export async function expose(namespace: string, name: string): Promise<string> {
  const service: V1Service & { kind: string } = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }] },
  };
  const { made } = await create(service);
  return `http://${made.spec?.clusterIP}/`;
}

export const isReady = ({ status, metadata }: V1Pod): boolean =>
  metadata?.deletionTimestamp === undefined &&
  status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;

/** Waits until so many pods are Ready, and gives them by name. */
export async function readyPods(namespace: string, app: string, count: number): Promise<V1Pod[]> {
  return until<V1Pod, V1Pod[]>(
    `${count} pods of ${app} are Ready`,
    { path: pathOf('Pod', namespace), query: { labelSelector: `app=${app}` } },
    (pods) => pods.length >= count && pods.filter(isReady).length === count && pods,
    120_000 * PATIENCE,
  );
}

/** Waits for one pod to be as wanted. */
export function untilPod<R>(
  namespace: string,
  name: string,
  what: string,
  accept: (pod: V1Pod, at: number) => R | undefined | false,
  limitMs = 120_000 * PATIENCE,
): Promise<R> {
  return until<V1Pod, R>(
    what,
    { path: pathOf('Pod', namespace), query: { fieldSelector: `metadata.name=${name}` } },
    ([pod], { at }) => pod && accept(pod, at),
    limitMs,
  );
}

/** Asks the agent in a pod, by way of the API server. */
export function askAgent(namespace: string, pod: string, method: string, path: string): Promise<unknown> {
  return ask(method, `${pathOf('Pod', namespace, `${pod}:8080`)}/proxy${path}`);
}

/** The pod that asks for a guard and is one container of the agent's program, unless changed. */
export function agentPod(
  namespace: string,
  name: string,
  options: AgentOptions = {},
): V1Pod & { kind: string } {
  const { metadata, spec } = agentTemplate(options);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, name, namespace },
    ...(spec ? { spec } : {}),
  };
}

/** Changes an object as `kubectl patch --type merge` does. */
export function patch(path: string, change: unknown): Promise<unknown> {
  return ask('PATCH', path, change, 'application/merge-patch+json');
}
