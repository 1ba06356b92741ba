import { shown } from './annotations.ts';
import {
  AGENT_ANNOTATION,
  INJECT_LABEL,
  INJECTED,
  INJECTED_SHARED,
  SIDECAR_NAME,
  STATUS_ANNOTATION,
  TOKEN_VOLUME,
} from './names.ts';
import type { Container, Pod } from './pod.ts';

/** Name of the container to guard: the one annotated, else the first. */
function agentName(pod: Pod): string | undefined {
  return pod.metadata?.annotations?.[AGENT_ANNOTATION] ?? pod.spec?.containers?.[0]?.name;
}

/** The container to guard, where there is one of its name. */
export function agentOf(pod: Pod): Container | undefined {
  return pod.spec?.containers?.find(({ name }) => name === agentName(pod));
}

/** Whether somebody said that this pod is not to have the sidecar. */
export function declines(pod: Pod): boolean {
  // as text, also where somebody forgot the quotes
  return String(pod.metadata?.labels?.[INJECT_LABEL]) === 'false';
}

/** Whether the sidecar is there already, by whatever way it came. */
export function isInjected(pod: Pod): boolean {
  const status = pod.metadata?.annotations?.[STATUS_ANNOTATION];
  return (status === INJECTED || status === INJECTED_SHARED) && containersOf(pod).some(isSidecar);
}

export function isSidecar({ name }: Container): boolean {
  return name === SIDECAR_NAME;
}

/** Why this pod cannot be guarded; `undefined` where it can. The sidecar would not see the agent, or the pod would not start. */
export function obstacle(pod: Pod): string | undefined {
  const { spec } = pod;
  if (pod.metadata?.annotations?.['kubernetes.io/config.mirror'] !== undefined)
    return 'it is a mirror pod: the kubelet would not run what is added here';
  if (spec?.hostPID === true) return 'hostPID excludes shareProcessNamespace';
  const systems = [spec?.os?.name, spec?.nodeSelector?.['kubernetes.io/os']];
  if (systems.some((name) => (name ?? 'linux') !== 'linux')) return 'it is not a Linux pod';
  if (spec?.shareProcessNamespace === false) return 'shareProcessNamespace is set to false';
  if (agentOf(pod) === undefined) {
    const name = agentName(pod);
    return name === undefined ? 'it has no container' : `there is no container ${shown(name)}`;
  }
  if (containersOf(pod).some(isSidecar)) return `the container name ${SIDECAR_NAME} is taken`;
  if (spec?.volumes?.some(({ name }) => name === TOKEN_VOLUME))
    return `the volume name ${TOKEN_VOLUME} is taken`;
  return undefined;
}

export function containersOf({ spec }: Pod): Container[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
}
