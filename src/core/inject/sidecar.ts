import type { InjectConfig } from './config.ts';
import { SIDECAR_NAME, SIDECAR_PORT, TOKEN_PATH, TOKEN_VOLUME } from './names.ts';
import type { Capabilities, Container, Pod, SecurityContext, Volume } from './pod.ts';

/** Seconds that a token holds; the kubelet renews it at four fifths. */
const TOKEN_SECONDS = 3600;

/** The user and group of the agent as the pod tells them; `undefined` where only its image knows. */
export function userOf(pod: Pod, agent: Container): { user: number | undefined; group: number | undefined } {
  const [own, common] = [agent.securityContext, pod.spec?.securityContext];
  return {
    user: own?.runAsUser ?? common?.runAsUser ?? undefined,
    group: own?.runAsGroup ?? common?.runAsGroup ?? undefined,
  };
}

/**
 * The sidecar for a pod.
 * @param agent the container to guard
 * @param annotated options by flag, in the order in which they are to stand
 */
export function sidecarFor(
  pod: Pod,
  agent: Container,
  config: InjectConfig,
  annotated: Readonly<Record<string, string>>,
): Container {
  const probe = (path: string) => ({ path, port: SIDECAR_PORT });
  const args = Object.entries(annotated).map(([flag, value]) => `--${flag}=${value}`);
  return {
    name: SIDECAR_NAME,
    image: config.image,
    imagePullPolicy: config.imagePullPolicy,
    ...(config.native ? { restartPolicy: 'Always' } : {}),
    args: ['guard', ...args],
    env: envFor(agent, config),
    ...(pod.spec?.hostNetwork === true
      ? {}
      : { ports: [{ name: SIDECAR_NAME, containerPort: SIDECAR_PORT, protocol: 'TCP' }] }),
    // no startup probe: the agent would wait for it, a second and more
    readinessProbe: {
      httpGet: probe('/readyz'),
      periodSeconds: 1,
      timeoutSeconds: 1,
      failureThreshold: 1,
      successThreshold: 1,
    },
    livenessProbe: { httpGet: probe('/livez'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    // what the containers of a pod ask for must fit into what the pod as a whole asks for: the API would refuse the pod
    ...(pod.spec?.resources ? {} : { resources: structuredClone(config.resources) }),
    securityContext: securityFor(pod, agent),
    volumeMounts: [{ name: TOKEN_VOLUME, mountPath: TOKEN_PATH, readOnly: true }],
  };
}

function envFor(agent: Container, { options }: InjectConfig): object[] {
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
