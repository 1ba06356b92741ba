import {
  AGENT_ANNOTATION,
  DEFAULT_CONTAINER_ANNOTATION,
  INJECT_LABEL,
  INJECTED,
  INJECTED_SHARED,
  SIDECAR_NAME,
  STATUS_ANNOTATION,
} from './names.ts';
import type { Container, Pod } from './pod.ts';
import { PROXIES } from './proxies.ts';

/** The name of the container to guard, and what it was chosen by, in words; no words where an annotation of Spillway's names it. */
export function chosenAgent(pod: Pod): { name: string | undefined; as?: string } {
  const annotations = pod.metadata?.annotations ?? {};
  const named = annotations[AGENT_ANNOTATION];
  if (named !== undefined) return { name: named };
  const [first] = pod.spec?.containers ?? [];
  const candidates = pod.spec?.containers?.filter(({ name }) => !PROXIES.has(name)) ?? [];
  const usual = candidates.find(({ name }) => name === annotations[DEFAULT_CONTAINER_ANNOTATION]);
  if (usual) return { name: usual.name, as: 'the default container' };
  const [candidate = first] = candidates;
  return {
    name: candidate?.name,
    as: candidate === first ? 'the first' : 'the first non-proxy',
  };
}

/** The container to guard, where there is one of its name. */
export function agentOf(pod: Pod): Container | undefined {
  const { name } = chosenAgent(pod);
  return pod.spec?.containers?.find((container) => container.name === name);
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

export function containersOf({ spec }: Pod): Container[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
}
