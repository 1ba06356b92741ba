import { agentOf, containersOf, declines, isInjected, obstacle } from './agent.ts';
import { annotatedOptions } from './annotations.ts';
import type { AnnotationOptions, InjectConfig } from './config.ts';
import { AGENT_ANNOTATION, INJECT_LABEL, INJECTED, INJECTED_SHARED, STATUS_ANNOTATION } from './names.ts';
import type { Container, Pod } from './pod.ts';
import { sidecarFor, tokenVolume, userOf } from './sidecar.ts';

/** The pod with the sidecar, or why it goes without; what the user should know, in sentences. */
export type Injected = { pod: Pod; warnings: string[] } | { reason: string; warnings: string[] };

/**
 * Adds the sidecar to a pod or to a workload's template. The pod given is not changed; one that has the sidecar is
 * returned as it is. A pod that declines is no matter for a warning, one that cannot be guarded is.
 */
export function inject(pod: Pod, config: InjectConfig, options: AnnotationOptions): Injected {
  if (declines(pod)) return { reason: `its label ${INJECT_LABEL} is "false"`, warnings: [] };
  if (isInjected(pod)) return { pod, warnings: [] };
  const reason = obstacle(pod);
  const agent = agentOf(pod);
  if (reason !== undefined || agent === undefined)
    return { reason: reason ?? 'it has no container', warnings: [`not injected: ${reason}`] };

  const annotations = pod.metadata?.annotations ?? {};
  const { values, warnings } = annotatedOptions(annotations, config, options);
  const sidecar = sidecarFor(pod, agent, config, values);
  const events = values['events'] === undefined ? config.events : values['events'] !== 'off';
  const { spec } = pod;
  const status = spec?.shareProcessNamespace === true ? INJECTED_SHARED : INJECTED;
  return {
    pod: {
      ...pod,
      metadata: { ...pod.metadata, annotations: { ...annotations, [STATUS_ANNOTATION]: status } },
      spec: {
        ...spec,
        shareProcessNamespace: true,
        ...(config.native
          ? { initContainers: [sidecar, ...(spec?.initContainers ?? [])] }
          : { containers: [...(spec?.containers ?? []), sidecar] }),
        volumes: [...(spec?.volumes ?? []), tokenVolume(events)],
      },
    },
    warnings: [...agentWarnings(pod, agent), ...classWarnings(pod, sidecar), ...warnings],
  };
}

/** What keeps the sidecar from seeing all, where it can do its work all the same. */
function agentWarnings(pod: Pod, agent: Container): string[] {
  const warnings: string[] = [];
  const { user, group } = userOf(pod, agent);
  const count = pod.spec?.containers?.length ?? 0;
  if (count > 1 && pod.metadata?.annotations?.[AGENT_ANNOTATION] === undefined)
    warnings.push(
      `guards ${agent.name}, the first of ${count} containers: ${AGENT_ANNOTATION} names another`,
    );
  const unset = [user === undefined ? 'runAsUser' : '', group === undefined ? 'runAsGroup' : ''].filter(
    Boolean,
  );
  if (unset.length > 0)
    warnings.push(
      `set ${unset.join(' and ')} for container ${agent.name}: spillway reads only a container of its own user and group, and from the image alone they are unknown`,
    );
  if (agent.securityContext?.privileged === true)
    warnings.push(`container ${agent.name} is privileged: spillway cannot read its memory group`);
  if (agent.resources?.limits?.['memory'] == null)
    warnings.push(
      `container ${agent.name} has no memory limit: there is nothing to guard against until it has`,
    );
  return warnings;
}

/** Which pods are ended first when a node runs out of memory, and which have processors to themselves, goes by the QoS class. */
function classWarnings(pod: Pod, sidecar: Container): string[] {
  // what a pod says for itself as a whole decides alone
  if (pod.spec?.resources || !containersOf(pod).every(isGuaranteed) || isGuaranteed(sidecar)) return [];
  return [
    "the pod's QoS class Guaranteed becomes Burstable: it stays where the sidecar's requests of cpu and memory equal its limits",
  ];
}

/** Whether a container leaves its pod in the QoS class Guaranteed: a limit of cpu and of memory, and no lower request. */
function isGuaranteed({ resources }: Container): boolean {
  return ['cpu', 'memory'].every((name) => {
    const limit = resources?.limits?.[name];
    return limit != null && (resources?.requests?.[name] ?? limit) === limit;
  });
}
