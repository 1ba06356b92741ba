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
      `set ${unset.join(' and ')} for container ${agent.name}: spillway can read only a container with its own uid and gid, and those of the image are unknown`,
    );
  if (agent.securityContext?.privileged === true)
    warnings.push(`container ${agent.name} is privileged: spillway cannot read its cgroup`);
  if (agent.resources?.limits?.['memory'] == null)
    warnings.push(`container ${agent.name} has no memory limit: spillway has no limit to guard`);
  return warnings;
}

function neighbourWarnings(pod: Pod): string[] {
  const warnings: string[] = [];
  const { runtimeClassName } = pod.spec ?? {};
  if (runtimeClassName != null && SANDBOX.test(runtimeClassName))
    warnings.push(
      `runtime class ${runtimeClassName} is a sandbox: its memory cgroups are absent or virtual, and an OOM kill also ends spillway`,
    );
  const killer = signalsProcessOne(pod);
  if (killer)
    warnings.push(
      `container ${killer.name} signals process 1: the shared process namespace has another process 1; signal the process by name`,
    );
  if (takesProbes(pod))
    warnings.push(
      `istio-proxy may block the kubelet's probes of port ${SIDECAR_PORT}: add it to traffic.sidecar.istio.io/excludeInboundPorts`,
    );
  return warnings;
}

/** Which pods are ended first when a node runs out of memory, and which have processors to themselves, goes by the QoS class. */
function classWarnings(pod: Pod, sidecar: Container): string[] {
  // what a pod says for itself as a whole decides alone
  if (pod.spec?.resources || !containersOf(pod).every(isGuaranteed) || isGuaranteed(sidecar)) return [];
  return [
    "the pod's QoS class Guaranteed becomes Burstable: it stays Guaranteed if the sidecar's requests of cpu and memory equal its limits",
  ];
}

/** Whether a container leaves its pod in the QoS class Guaranteed: a limit of cpu and of memory, and no lower request. */
function isGuaranteed({ resources }: Container): boolean {
  return ['cpu', 'memory'].every((name) => {
    const limit = resources?.limits?.[name];
    return limit != null && (resources?.requests?.[name] ?? limit) === limit;
  });
}
