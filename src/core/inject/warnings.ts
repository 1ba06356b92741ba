import { chosenAgent, containersOf } from './agent.ts';
import { takesProbes } from './mesh.ts';
import { AGENT_ANNOTATION, SIDECAR_PORT } from './names.ts';
import { signalsProcessOne } from './pid-one.ts';
import type { Container, Pod } from './pod.ts';
import { given, type PodRule, saidBy } from './pod-rule.ts';
import { userOf } from './sidecar.ts';

/** Runtimes that keep a kernel, or what stands in for one, between the pod and the node. */
const SANDBOX = /gvisor|runsc|kata/i;

interface Guarded {
  pod: Pod;
  agent: Container;
  sidecar: Container;
}

/** What keeps the sidecar from seeing all or from doing its work, and what it changes for others. */
export const WARNINGS: readonly PodRule<Guarded>[] = [
  {
    says: `guards {}, {} of {} containers: ${AGENT_ANNOTATION} names another`,
    subjects({ pod, agent }) {
      const count = pod.spec?.containers?.length ?? 0;
      const { as } = chosenAgent(pod);
      return count > 1 && as !== undefined ? [agent.name, as, String(count)] : undefined;
    },
    cel: [
      'variables.chosenAs != "" && size(variables.others) > 1',
      ...['variables.agentName', 'variables.chosenAs', 'string(size(variables.others))'],
    ],
  },
  {
    says: 'set {} for container {}: spillway can read only a container with its own uid and gid, and those of the image are unknown',
    subjects({ pod, agent }) {
      const { user, group } = userOf(pod, agent);
      const unset = [user === undefined ? 'runAsUser' : '', group === undefined ? 'runAsGroup' : ''];
      const names = unset.filter(Boolean);
      return names.length > 0 ? [names.join(' and '), agent.name] : undefined;
    },
    cel: [
      '!variables.user.hasValue() || !variables.group.hasValue()',
      '[variables.user.hasValue() ? "" : "runAsUser", variables.group.hasValue() ? "" : "runAsGroup"].filter(n, n != "").join(" and ")',
      'variables.agentName',
    ],
  },
  {
    says: 'container {} is privileged: spillway cannot read its cgroup',
    subjects: ({ agent }) => (agent.securityContext?.privileged === true ? [agent.name] : undefined),
    cel: ['variables.agents[0].?securityContext.privileged.orValue(false)', 'variables.agentName'],
  },
  {
    says: 'container {} has no memory limit: spillway has no limit to guard',
    subjects: ({ agent }) => (agent.resources?.limits?.['memory'] == null ? [agent.name] : undefined),
    cel: ['!variables.agents[0].?resources.limits["memory"].hasValue()', 'variables.agentName'],
  },
  {
    says: 'runtime class {} is a sandbox: its memory cgroups are absent or virtual, and an OOM kill also ends spillway',
    subjects({ pod }) {
      const { runtimeClassName } = pod.spec ?? {};
      return runtimeClassName != null && SANDBOX.test(runtimeClassName) ? [runtimeClassName] : undefined;
    },
    cel: [
      `variables.spec.?runtimeClassName.orValue("").lowerAscii().matches(${JSON.stringify(SANDBOX.source)})`,
      'variables.spec.runtimeClassName',
    ],
  },
  {
    says: 'container {} signals process 1: the shared process namespace has another process 1; signal the process by name',
    subjects({ pod }) {
      const killer = signalsProcessOne(pod);
      return killer && [killer.name];
    },
    cel: ['size(variables.killers) > 0', 'variables.killers[0].name'],
  },
  {
    says: `istio-proxy may block the kubelet's probes of port ${SIDECAR_PORT}: add it to traffic.sidecar.istio.io/excludeInboundPorts`,
    subjects: ({ pod }) => given(takesProbes(pod)),
    cel: [
      'size(variables.portLists) == 0 && variables.istioList == 0 && variables.all.exists(c, c.name == "istio-proxy")',
    ],
  },
  {
    // which pods are ended first when a node runs out of memory, and which have processors to themselves, goes by the QoS class
    says: "the pod's QoS class Guaranteed becomes Burstable: it stays Guaranteed if the sidecar's requests of cpu and memory equal its limits",
    // a pod with resources of its own is classified by these alone
    subjects: ({ pod, sidecar }) =>
      given(!pod.spec?.resources && containersOf(pod).every(isGuaranteed) && !isGuaranteed(sidecar)),
    cel: ['variables.guaranteed'],
  },
];

/** What users should know of a pod that gets the sidecar. */
export function podWarnings(pod: Pod, agent: Container, sidecar: Container): string[] {
  return WARNINGS.flatMap((rule) => saidBy(rule, { pod, agent, sidecar }) ?? []);
}

/** Whether a container leaves its pod in the QoS class Guaranteed: a limit of cpu and of memory, and no lower request. */
function isGuaranteed({ resources }: Container): boolean {
  return ['cpu', 'memory'].every((name) => {
    const limit = resources?.limits?.[name];
    return limit != null && (resources?.requests?.[name] ?? limit) === limit;
  });
}
