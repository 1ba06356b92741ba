import { agentOf, chosenAgent, containersOf, isSidecar } from './agent.ts';
import { shown } from './annotations.ts';
import { RECORD_VOLUME, SIDECAR_NAME, SIDECAR_PORT, TOKEN_VOLUME } from './names.ts';
import { needsProcessOne } from './pid-one.ts';
import type { ContainerPort, Pod } from './pod.ts';

/**
 * Why this pod cannot be guarded; `undefined` where it can. The sidecar would not see the agent, the pod would not start, or another
 * would suffer.
 */
export function obstacle(pod: Pod): string | undefined {
  const { spec } = pod;
  if (pod.metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined)
    return 'it is a mirror pod: the kubelet ignores added containers';
  if (spec?.hostPID === true) return 'hostPID excludes shareProcessNamespace';
  if (spec?.hostNetwork === true)
    return `hostNetwork: port ${SIDECAR_PORT} would be the node's, open to its network and taken for the next such pod`;
  const systems = [spec?.os?.name, spec?.nodeSelector?.['kubernetes.io/os']];
  if (systems.some((name) => (name ?? 'linux') !== 'linux')) return 'it is not a Linux pod';
  if (spec?.shareProcessNamespace === false) return 'shareProcessNamespace is set to false';
  if (agentOf(pod) === undefined) {
    const { name } = chosenAgent(pod);
    return name === undefined ? 'it has no container' : `there is no container ${shown(name)}`;
  }
  if (containersOf(pod).some(isSidecar)) return `the container name ${SIDECAR_NAME} is taken`;
  const taken = [TOKEN_VOLUME, RECORD_VOLUME].find((volume) =>
    spec?.volumes?.some(({ name }) => name === volume),
  );
  if (taken !== undefined) return `the volume name ${taken} is taken`;
  const own = containersOf(pod).find(({ ports }) => Array.isArray(ports) && ports.some(isSidecarPort));
  if (own) return `container ${own.name} has port ${SIDECAR_PORT} itself`;
  const init = needsProcessOne(pod);
  if (init) return `container ${init.name} runs ${init.command}, which must be process 1 of its namespace`;
  return undefined;
}

function isSidecarPort({ containerPort, protocol }: ContainerPort): boolean {
  return containerPort === SIDECAR_PORT && (protocol ?? 'TCP') === 'TCP';
}
