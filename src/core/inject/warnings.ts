import { chosenAgent, containersOf } from './agent.ts';
import { takesProbes } from './mesh.ts';
import { AGENT_ANNOTATION, SIDECAR_PORT } from './names.ts';
import { signalsProcessOne } from './pid-one.ts';
import type { Container, Pod } from './pod.ts';
import { userOf } from './sidecar.ts';

/** Runtimes that keep a kernel, or what stands in for one, between the pod and the node. */
export const SANDBOX = /gvisor|runsc|kata/i;

/** What keeps the sidecar from seeing all or from doing its work, and what it changes for others. */
export function podWarnings(pod: Pod, agent: Container, sidecar: Container): string[] {
  return [...agentWarnings(pod, agent), ...neighbourWarnings(pod), ...classWarnings(pod, sidecar)];
}

function agentWarnings(pod: Pod, agent: Container): string[] {
  const warnings: string[] = [];
  const { user, group } = userOf(pod, agent);
  const count = pod.spec?.containers?.length ?? 0;
  const { as } = chosenAgent(pod);
  if (count > 1 && as !== undefined)
    warnings.push(`guards ${agent.name}, ${as} of ${count} containers: ${AGENT_ANNOTATION} names another`);
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

function neighbourWarnings(pod: Pod): string[] {
  const warnings: string[] = [];
  const { runtimeClassName } = pod.spec ?? {};
  if (runtimeClassName != null && SANDBOX.test(runtimeClassName))
    warnings.push(
      `runtime class ${runtimeClassName} is a sandbox: memory groups are absent or not the real ones in it, and a kill there takes spillway along`,
    );
  const killer = signalsProcessOne(pod);
  if (killer)
    warnings.push(
      `container ${killer.name} signals process 1: in the shared process namespace that is another; let it look its process up by name`,
    );
  if (takesProbes(pod))
    warnings.push(
      `istio-proxy may keep the kubelet's probes from port ${SIDECAR_PORT}: list it in traffic.sidecar.istio.io/excludeInboundPorts`,
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
