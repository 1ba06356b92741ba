import { amountOf } from '../lib/units.ts';
import { isSidecar } from './agent.ts';
import type { InjectConfig } from './config.ts';
import type { Container, Pod } from './pod.ts';
import { cpuLimit } from './sidecar.ts';

/*
 * Whether the ResourceQuotas and LimitRanges of a namespace leave room for the sidecar. Where they may not, the pod goes without: no
 * sidecar is better than no pod. The chart's policies (`_room.tpl`) say the same in CEL.
 */

/** What bounds the pods of a namespace, as the API server lists it. */
export interface Bounds {
  quotas: readonly ResourceQuota[];
  limitRanges: readonly LimitRange[];
}

export const UNBOUNDED: Bounds = { quotas: [], limitRanges: [] };

type Quantities = Readonly<Record<string, string>>;

export interface ResourceQuota {
  metadata: { name: string };
  spec?: { scopes?: string[]; scopeSelector?: { matchExpressions?: ScopeExpression[] } };
  status?: { hard?: Quantities; used?: Quantities };
}

interface ScopeExpression {
  scopeName: string;
  operator: string;
  values?: string[];
}

export interface LimitRange {
  metadata: { name: string };
  spec?: { limits?: Limits[] };
}

interface Limits {
  type: string;
  min?: Quantities;
  max?: Quantities;
  maxLimitRequestRatio?: Quantities;
  default?: Quantities;
  defaultRequest?: Quantities;
}

/** Of sums, which are not exact: far below a thousandth of a core, the least that there is. */
const ROUNDING = 0.0001;
/** What a quota asks of every container. */
const ASKED_OF_ALL = ['limits.cpu', 'limits.memory', 'requests.cpu', 'requests.memory'];

/** What keeps the sidecar out of this pod, in words; `undefined` where there is room for it. A sidecar that is there already is not counted. */
export function noRoom(pod: Pod, config: InjectConfig, { quotas, limitRanges }: Bounds): string | undefined {
  const asked = askedFor(config);
  for (const quota of quotas) {
    const reason = beyondQuota(pod, asked, quota);
    if (reason !== undefined) return `ResourceQuota ${quota.metadata.name} ${reason}`;
  }
  for (const range of limitRanges) {
    const reason = outOfRange(pod, asked, range);
    if (reason !== undefined) return `LimitRange ${range.metadata.name} ${reason}`;
  }
  return undefined;
}

/**
 * What the sidecar asks for, by the names of quotas. The limit of cpu is always among it: where a quota or a LimitRange looks at that,
 * every container has one, or the pod is refused anyway.
 */
function askedFor({ resources }: InjectConfig): ReadonlyMap<string, string> {
  const definite = (quantities: Quantities | null | undefined) =>
    Object.entries(quantities ?? {}).filter(([, text]) => text != null);
  const limits = definite(resources.limits);
  const named = (kind: string, entries: [string, string][]) =>
    entries.map(([name, text]) => [`${kind}.${name}`, text] as const);
  return new Map(
    [
      ['limits.cpu', cpuLimit(resources)] as const,
      ...named('limits', limits),
      // the API server takes a limit for the request that is not there
      ...named('requests', limits),
      ...named('requests', definite(resources.requests)),
    ].sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function beyondQuota(
  pod: Pod,
  asked: ReadonlyMap<string, string>,
  { spec, status }: ResourceQuota,
): string | undefined {
  // what the pod asks for as a whole is what counts, and the sidecar adds nothing to it
  if (pod.spec?.resources || !applies(pod, spec)) return undefined;
  const { hard = {}, used = {} } = status ?? {};
  const keys = (name: string) =>
    [name, name.replace(/^requests\./, '')].filter((key) => hard[key] !== undefined);
  const lacking = ASKED_OF_ALL.filter((name) => !asked.has(name) && keys(name).length > 0);
  if (lacking.length > 0)
    return `requires ${lacking.join(' and ')} of every container, and the sidecar has none`;
  const short = [...asked].filter(([name, text]) =>
    keys(name).some(
      (key) =>
        amountOf(used[key] ?? '0') + totalOf(pod, name) + amountOf(text) >
        amountOf(hard[key] ?? '') + ROUNDING,
    ),
  );
  if (short.length === 0) return undefined;
  return `has no room for the sidecar's ${short.map(([name, text]) => `${name} (${text})`).join(' and ')}`;
}

/** Whether a quota may count this pod; a scope that is not known here may. */
function applies({ spec }: Pod, quota: ResourceQuota['spec']): boolean {
  const expressions = quota?.scopeSelector?.matchExpressions ?? [];
  const scopes = quota?.scopes ?? [];
  const names = new Set([...scopes, ...expressions.map(({ scopeName }) => scopeName)]);
  const terminating = spec?.activeDeadlineSeconds != null;
  const priority = spec?.priorityClassName ?? '';
  // with the sidecar's requests the pod is not BestEffort
  if (names.has('BestEffort') || names.has(terminating ? 'NotTerminating' : 'Terminating')) return false;
  if (scopes.includes('PriorityClass') && priority === '') return false;
  return expressions.every(({ scopeName, operator, values = [] }) => {
    if (scopeName !== 'PriorityClass') return true;
    if (operator === 'In') return values.includes(priority);
    if (operator === 'NotIn') return !values.includes(priority);
    return (operator === 'Exists') === (priority !== '');
  });
}

function outOfRange(pod: Pod, asked: ReadonlyMap<string, string>, { spec }: LimitRange): string | undefined {
  const limits = spec?.limits ?? [];
  if (pod.spec?.resources) {
    const filling = limits.some(
      (each) =>
        each.type === 'Container' && Object.keys({ ...each.default, ...each.defaultRequest }).length > 0,
    );
    return filling ? 'sets defaults of containers, and these may exceed the resources of the pod' : undefined;
  }
  for (const bounds of limits) {
    if (bounds.type !== 'Container' && bounds.type !== 'Pod') continue;
    for (const name of ['cpu', 'ephemeral-storage', 'memory']) {
      const [request, limit] = [asked.get(`requests.${name}`), asked.get(`limits.${name}`)];
      // LimitRanges fill in what is not said themselves
      if (request === undefined || limit === undefined) continue;
      const whole = (kind: string) => (bounds.type === 'Pod' ? totalOf(pod, `${kind}.${name}`) : 0);
      const broken = brokenBound(
        bounds,
        name,
        whole('requests') + amountOf(request),
        whole('limits') + amountOf(limit),
      );
      if (broken !== undefined) return `refuses the sidecar's ${name}: ${bounds.type} ${broken}`;
    }
  }
  return undefined;
}

function brokenBound(bounds: Limits, name: string, request: number, limit: number): string | undefined {
  const [min, max, ratio] = [bounds.min?.[name], bounds.max?.[name], bounds.maxLimitRequestRatio?.[name]];
  if (min !== undefined && request < amountOf(min) - ROUNDING) return `min ${min}`;
  if (max !== undefined && limit > amountOf(max) + ROUNDING) return `max ${max}`;
  if (ratio !== undefined && limit / request > amountOf(ratio) + ROUNDING)
    return `maxLimitRequestRatio ${ratio}`;
  return undefined;
}

/**
 * What a pod asks for without its sidecar: `requests.memory`. As the API server counts it, or more: each init container beside all that
 * go on running, also those that start after it.
 */
function totalOf({ spec }: Pod, name: string): number {
  const [kind, resource = ''] = name.split('.', 2);
  const of = ({ resources }: Container) =>
    amountOf(
      (kind === 'requests' ? resources?.requests?.[resource] : undefined) ??
        resources?.limits?.[resource] ??
        '0',
    );
  const sum = (containers: readonly Container[]) => containers.reduce((total, each) => total + of(each), 0);
  const inits = spec?.initContainers ?? [];
  const lasting = inits.filter((each) => each.restartPolicy === 'Always' && !isSidecar(each));
  const starting = inits.filter((each) => each.restartPolicy !== 'Always');
  const steady = (spec?.containers ?? []).filter((each) => !isSidecar(each));
  return (
    sum(lasting) + Math.max(sum(steady), ...starting.map(of)) + amountOf(spec?.overhead?.[resource] ?? '0')
  );
}
