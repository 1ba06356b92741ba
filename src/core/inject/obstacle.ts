import { agentOf, chosenAgent, containersOf, isSidecar } from './agent.ts';
import { shown } from './annotations.ts';
import { RECORD_VOLUME, SIDECAR_NAME, SIDECAR_PORT, TOKEN_VOLUME } from './names.ts';
import { needsProcessOne } from './pid-one.ts';
import type { ContainerPort, Pod } from './pod.ts';
import { given, type PodRule, saidBy } from './pod-rule.ts';

/** What excludes the sidecar from a pod, in the order in which it is reported. */
export const OBSTACLES: readonly PodRule<Pod>[] = [
  {
    says: 'it is a mirror pod: the kubelet ignores added containers',
    subjects: ({ metadata }) => given(metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined),
    cel: ['"kubernetes.io/config.mirror" in variables.annotations'],
  },
  {
    says: 'hostPID excludes shareProcessNamespace',
    subjects: ({ spec }) => given(spec?.hostPID === true),
    cel: ['variables.spec.?hostPID.orValue(false)'],
  },
  {
    says: `hostNetwork: port ${SIDECAR_PORT} would be the node's, open to its network and taken for the next such pod`,
    subjects: ({ spec }) => given(spec?.hostNetwork === true),
    cel: ['variables.spec.?hostNetwork.orValue(false)'],
  },
  {
    says: 'it is not a Linux pod',
    subjects: ({ spec }) =>
      given(
        [spec?.os?.name, spec?.nodeSelector?.['kubernetes.io/os']].some(
          (name) => (name ?? 'linux') !== 'linux',
        ),
      ),
    cel: [
      'variables.spec.?os.name.orValue("linux") != "linux" || variables.spec.?nodeSelector[?"kubernetes.io/os"].orValue("linux") != "linux"',
    ],
  },
  {
    says: 'shareProcessNamespace is set to false',
    subjects: ({ spec }) => given(spec?.shareProcessNamespace === false),
    cel: ['!variables.spec.?shareProcessNamespace.orValue(true)'],
  },
  {
    says: 'it has no container',
    subjects: (pod) => given(chosenAgent(pod).name === undefined),
  },
  {
    says: 'there is no container {}',
    subjects: (pod) => (agentOf(pod) === undefined ? [shown(chosenAgent(pod).name ?? '')] : undefined),
    cel: ['size(variables.agents) == 0', 'variables.agentName'],
  },
  {
    says: `the container name ${SIDECAR_NAME} is taken`,
    subjects: (pod) => given(containersOf(pod).some(isSidecar)),
    cel: ['variables.named'],
  },
  ...[TOKEN_VOLUME, RECORD_VOLUME].map(
    (volume): PodRule<Pod> => ({
      says: `the volume name ${volume} is taken`,
      subjects: ({ spec }) => given(spec?.volumes?.some(({ name }) => name === volume) === true),
      cel: [`variables.spec.?volumes.orValue([]).exists(v, v.name == "${volume}")`],
    }),
  ),
  {
    says: `container {} has port ${SIDECAR_PORT} itself`,
    subjects(pod) {
      const own = containersOf(pod).find(({ ports }) => Array.isArray(ports) && ports.some(isSidecarPort));
      return own && [own.name];
    },
    cel: ['size(variables.ported) > 0', 'variables.ported[0].name'],
  },
  {
    says: 'container {} runs {}, which must be process 1 of its namespace',
    subjects(pod) {
      const init = needsProcessOne(pod);
      return init && [init.name, init.command];
    },
    cel: ['size(variables.inits) > 0', 'variables.inits[0].name', 'variables.inits[0].command[0]'],
  },
];

/**
 * Why this pod cannot be guarded; `undefined` where it can. The sidecar would not see the agent, the pod would not start, or another
 * would suffer.
 */
export function obstacle(pod: Pod): string | undefined {
  for (const rule of OBSTACLES) {
    const reason = saidBy(rule, pod);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function isSidecarPort({ containerPort, protocol }: ContainerPort): boolean {
  return containerPort === SIDECAR_PORT && (protocol ?? 'TCP') === 'TCP';
}
