import { containersOf } from './agent.ts';
import type { InjectConfig } from './config.ts';
import { listOf, textOf } from './hook-rules.ts';
import { ISTIO_PROXY } from './mesh.ts';
import type { Container, Pod } from './pod.ts';

/*
 * The paths at which the agent's container is probed, for the gate in its hook. The kubelet says who it is; load balancers, which take
 * over the path of a readiness probe, and other probers do not.
 */

export const GATE_EXEMPT = 'gate-exempt';

/**
 * Paths that the option can carry and that arrive as they are written, so without a comma or what is encoded on its way. Never the root:
 * its `GET` may be work like any other, and the kubelet's probe of it passes the gate by its name.
 */
export const PROBE_PATH = /^\/([A-Za-z0-9._~!$&'()*+;=:@/-]|%[0-9A-Fa-f]{2}){1,255}$/;

/**
 * Where Istio's proxy asks in place of the kubelet, by the paths at which it is asked itself, in a variable of its container:
 * `{"/app-health/agent/readyz":{"httpGet":{"path":"/status","port":8080},"timeoutSeconds":1}}`
 */
export const ISTIO_PROBERS = 'ISTIO_KUBE_APP_PROBERS';
export const ISTIO_PROBER = /"\/app-(health|lifecycle)\/[^/"]+\/[a-z]+":\{"httpGet":\{"path":"[^"]*"/;

/**
 * Options from a pod's annotations with the paths of the agent's probes in {@link GATE_EXEMPT}, beside those that the user has there, be
 * it by annotation or in the configuration, which an annotation replaces; sorted by flag.
 */
export function withProbePaths(
  values: Readonly<Record<string, string>>,
  pod: Pod,
  agent: Container,
  { options }: InjectConfig,
): Readonly<Record<string, string>> {
  if ((values['gate'] ?? options['gate'])?.trim() === 'off') return values;
  const own = (values[GATE_EXEMPT] ?? options['gateExempt'] ?? '').trim().split(',').filter(Boolean);
  const added = probePaths(pod, agent).filter((path) => !own.includes(path));
  if (added.length === 0) return values;
  const all = { ...values, [GATE_EXEMPT]: [...own, ...added].join(',') };
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Of the kubelet's requests by HTTP to the agent's container, those of its lifecycle included. */
function probePaths(pod: Pod, agent: Container): string[] {
  const { startupProbe, readinessProbe, livenessProbe, lifecycle } = agent;
  const istio = istioProbers(pod);
  const own = [startupProbe, readinessProbe, livenessProbe, lifecycle?.postStart, lifecycle?.preStop]
    .map((handler) => handler?.httpGet?.path)
    .filter((path) => typeof path === 'string')
    .filter((path) => !istio.includes(`"${path}":`));
  const before = (istio.match(new RegExp(ISTIO_PROBER, 'g')) ?? [])
    .map((found) => found.split('"'))
    .filter(([, at]) => at?.split('/')[2] === agent.name)
    .map((words) => words[7] ?? '');
  const paths = [...own, ...before]
    .map((path) => /^[^?#]*/.exec(path)?.[0] ?? '')
    .map((path) => (path.startsWith('/') ? path : `/${path}`))
    .filter((path) => PROBE_PATH.test(path));
  return [...new Set(paths)];
}

function istioProbers(pod: Pod): string {
  return containersOf(pod)
    .filter(({ name }) => name === ISTIO_PROXY)
    .flatMap(({ env }) => listOf(env).filter(({ name }) => name === ISTIO_PROBERS))
    .map(textOf)
    .join(' ');
}
