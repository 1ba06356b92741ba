import { amountOf } from '../lib/units.ts';
import { containersOf } from './agent.ts';
import type { InjectConfig } from './config.ts';
import { HOOK_ARG } from './hook.ts';
import {
  HOOK_DIR,
  HOOK_VOLUME,
  RECORD_VOLUME,
  SIDECAR_NAME,
  SIDECAR_PORT,
  TOKEN_PATH,
  TOKEN_VOLUME,
} from './names.ts';
import type { Capabilities, Container, EnvVar, Pod, Resources, SecurityContext, Volume } from './pod.ts';

/** Seconds that a token holds; the kubelet renews it at four fifths. */
const TOKEN_SECONDS = 3600;
/** Where one is asked for. Throttled to it the guardian starts 1 s later, and answers within 80 ms near the limit; to 100m, 2.7 s and 0.4 s. */
export const CPU_LIMIT = '200m';

/** The user and group of the agent as the pod tells them; `undefined` where only its image knows. */
export function userOf(pod: Pod, agent: Container): { user: number | undefined; group: number | undefined } {
  const [own, common] = [agent.securityContext, pod.spec?.securityContext];
  return {
    user: own?.runAsUser ?? common?.runAsUser ?? undefined,
    group: own?.runAsGroup ?? common?.runAsGroup ?? undefined,
  };
}

/** What of a sidecar is this pod's own. */
interface Annotated {
  /** Options by flag, in the order in which they are to stand. */
  values: Readonly<Record<string, string>>;
  /** Where the volume of records is mounted. */
  recordDir: string | undefined;
  /** Whether the agent's container gets the hook. */
  hooked: boolean;
}

/**
 * The sidecar for a pod.
 * @param agent the container to guard
 */
export function sidecarFor(
  pod: Pod,
  agent: Container,
  config: InjectConfig,
  { values, recordDir, hooked }: Annotated,
): Container {
  const probe = (path: string) => ({ path, port: SIDECAR_PORT });
  const args = Object.entries(values).map(([flag, value]) => `--${flag}=${value}`);
  return {
    name: SIDECAR_NAME,
    image: config.image,
    imagePullPolicy: config.imagePullPolicy,
    ...(config.native ? { restartPolicy: 'Always' } : {}),
    args: ['guard', ...(hooked ? [HOOK_ARG] : []), ...args],
    env: envFor(pod, agent, config),
    ports: [{ name: SIDECAR_NAME, containerPort: SIDECAR_PORT, protocol: 'TCP' }],
    // The agent waits for a startup probe, a second and more: there is one only where the agent must not start before the hook's file is
    // there, which it is before the server listens.
    ...(hooked
      ? {
          startupProbe: {
            httpGet: probe('/livez'),
            periodSeconds: 1,
            timeoutSeconds: 3,
            failureThreshold: 60,
          },
        }
      : {}),
    readinessProbe: {
      httpGet: probe('/readyz'),
      periodSeconds: 1,
      // a late answer is no sign of pressure; what is to be un-ready is answered at once
      timeoutSeconds: 3,
      failureThreshold: 1,
      successThreshold: 1,
    },
    livenessProbe: { httpGet: probe('/livez'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    // what the containers of a pod ask for must fit into what the pod as a whole asks for: the API would refuse the pod
    ...(pod.spec?.resources ? {} : { resources: resourcesFor(pod, config) }),
    securityContext: securityFor(pod, agent),
    volumeMounts: [
      { name: TOKEN_VOLUME, mountPath: TOKEN_PATH, readOnly: true },
      ...(recordDir === undefined ? [] : [{ name: RECORD_VOLUME, mountPath: recordDir }]),
      ...(hooked ? [{ name: HOOK_VOLUME, mountPath: HOOK_DIR }] : []),
    ],
  };
}

/**
 * The resources configured; and a limit of cpu where every container of the pod has one. A quota that asks for it of all would refuse
 * the pod.
 */
function resourcesFor(pod: Pod, { resources }: InjectConfig): Resources {
  const copy = structuredClone(resources);
  if (resources.limits?.['cpu'] != null) return copy;
  if (!containersOf(pod).every((container) => container.resources?.limits?.['cpu'] != null)) return copy;
  return { ...copy, limits: { ...copy.limits, cpu: cpuLimit(resources) } };
}

/** The limit of cpu where one is asked for: never below the request. */
export function cpuLimit({ requests }: Resources): string {
  const request = requests?.['cpu'];
  return request != null && amountOf(request) > amountOf(CPU_LIMIT) ? request : CPU_LIMIT;
}

function envFor(pod: Pod, agent: Container, { options, webhookUrlSecret }: InjectConfig): EnvVar[] {
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  // without a limit the downward API would tell the node's memory
  const limited = agent.resources?.limits?.['memory'] != null;
  const resourceFieldRef = { containerName: agent.name, resource: 'limits.memory' };
  const given = Object.entries(options).map(([key, value]) => ({
    name: `SPILLWAY_${key.replace(/[A-Z]/g, '_$&').toUpperCase()}`,
    value,
  }));
  return [
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('POD_UID', 'metadata.uid'),
    field('NODE_NAME', 'spec.nodeName'),
    { name: 'SPILLWAY_AGENT', value: `container:${agent.name}` },
    ...(limited ? [{ name: 'SPILLWAY_DOWNWARD_LIMIT', valueFrom: { resourceFieldRef } }] : []),
    { name: 'SPILLWAY_POD_RESTART_POLICY', value: pod.spec?.restartPolicy ?? 'Always' },
    // a Secret that is missing must not keep the pod from starting
    ...(webhookUrlSecret
      ? [
          {
            name: 'SPILLWAY_WEBHOOK_URL',
            valueFrom: { secretKeyRef: { ...webhookUrlSecret, optional: true } },
          },
        ]
      : []),
    ...given.sort((a, b) => (a.name < b.name ? -1 : 1)),
  ];
}

/** The kernel shows a process to one of the same user, the same group and no fewer capabilities. */
function securityFor(pod: Pod, agent: Container): SecurityContext {
  const { user, group } = userOf(pod, agent);
  const capabilities = user === 0 ? rootCapabilities(agent) : { drop: ['ALL'] };
  return {
    ...(user === undefined ? {} : { runAsUser: user }),
    ...(group === undefined ? {} : { runAsGroup: group }),
    runAsNonRoot: user !== 0,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    ...(capabilities ? { capabilities } : {}),
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

function rootCapabilities(agent: Container): Capabilities | undefined {
  const own = agent.securityContext?.capabilities;
  if (!own) return undefined;
  // in this spelling the API refuses it together with `allowPrivilegeEscalation: false`
  const add = own.add?.filter((name) => name !== 'CAP_SYS_ADMIN') ?? [];
  return { ...(add.length > 0 ? { add } : {}), ...(own.drop?.length ? { drop: [...own.drop] } : {}) };
}

/** What is mounted where a token would be: one of its own, or nothing, so that the agent's own does not come to stand there. */
export function tokenVolume(events: boolean): Volume {
  if (!events) return { name: TOKEN_VOLUME, emptyDir: {} };
  return {
    name: TOKEN_VOLUME,
    projected: {
      defaultMode: 0o444,
      sources: [
        { serviceAccountToken: { path: 'token', expirationSeconds: TOKEN_SECONDS } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  };
}

/** Without a size: a heap snapshot of any agent is larger than what one would give reports, and the kubelet ends the pod for it. */
export function recordVolume(): Volume {
  return { name: RECORD_VOLUME, emptyDir: {} };
}
