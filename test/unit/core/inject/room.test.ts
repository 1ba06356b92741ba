import { describe, expect, it } from 'vitest';
import { defaultInjectConfig, type InjectConfig } from '../../../../src/core/inject/config.ts';
import type { Pod } from '../../../../src/core/inject/pod.ts';
import { type LimitRange, noRoom, type ResourceQuota, UNBOUNDED } from '../../../../src/core/inject/room.ts';

const CONFIG = defaultInjectConfig('1');
const of = (memory: string, cpu = '10m') => ({ requests: { cpu, memory }, limits: { memory } });
/** An agent of 64Mi; the sidecar asks for 128Mi beside it. */
const podWith = (spec: object = {}): Pod => ({
  spec: { containers: [{ name: 'agent', resources: of('64Mi') }], ...spec },
});
const quota = (hard: Record<string, string>, used = {}, spec = {}): ResourceQuota => ({
  metadata: { name: 'q' },
  spec,
  status: { hard, used },
});
const byQuota = (hard: Record<string, string>, used = {}, pod = podWith(), config: InjectConfig = CONFIG) =>
  noRoom(pod, config, { ...UNBOUNDED, quotas: [quota(hard, used)] });
const byRange = (limits: object, pod = podWith(), config: InjectConfig = CONFIG) =>
  noRoom(pod, config, {
    ...UNBOUNDED,
    limitRanges: [{ metadata: { name: 'l' }, spec: { limits: [limits] } } as LimitRange],
  });
const NO_MEMORY = "ResourceQuota q has no room for the sidecar's requests.memory (128Mi)";

describe('a ResourceQuota', () => {
  it('has room up to its last byte', () => {
    expect(byQuota({ 'requests.memory': '192Mi' })).toBeUndefined();
    expect(byQuota({ 'requests.memory': '201326591' })).toBe(NO_MEMORY);
    expect(byQuota({ 'requests.memory': '1Gi' }, { 'requests.memory': '832Mi' })).toBeUndefined();
    expect(byQuota({ 'requests.memory': '1Gi' }, { 'requests.memory': '833Mi' })).toBe(NO_MEMORY);
  });

  it.each([
    ['memory', '190Mi', 'requests.memory (128Mi)'],
    ['limits.memory', '190Mi', 'limits.memory (128Mi)'],
    ['cpu', '59m', 'requests.cpu (50m)'],
    ['requests.cpu', '0.059', 'requests.cpu (50m)'],
    ['limits.cpu', '199m', 'limits.cpu (200m)'],
  ])('may be short of %s', (name, hard, words) => {
    expect(byQuota({ [name]: hard })).toBe(`ResourceQuota q has no room for the sidecar's ${words}`);
    expect(byQuota({ [name]: '1T' })).toBeUndefined();
  });

  it('says all that it is short of, and is not asked for what the sidecar does not take', () => {
    const short = byQuota({ cpu: '1m', memory: '1' });
    for (const name of ['requests.cpu (50m)', 'requests.memory (128Mi)']) expect(short).toContain(name);
    expect(byQuota({ pods: '0', 'requests.storage': '0', 'count/secrets': '0' })).toBeUndefined();
  });

  it('counts sums of fractions as whole thousandths', () => {
    const pod = podWith({
      containers: [0.1, 0.2].map((cpu) => ({ name: 'a', resources: of('1', `${cpu}`) })),
    });
    expect(byQuota({ cpu: '350m' }, {}, pod)).toBeUndefined();
    expect(byQuota({ cpu: '349m' }, {}, pod)).toMatch(/cpu/);
  });

  it('counts init containers beside what runs on, overhead, limits for requests, and no sidecar twice', () => {
    const fits = (spec: object, mebibytes: number) => {
      const memory = (amount: number) => ({ 'requests.memory': `${amount}Mi` });
      expect(byQuota(memory(mebibytes), {}, podWith(spec))).toBeUndefined();
      expect(byQuota(memory(mebibytes - 1), {}, podWith(spec))).toBe(NO_MEMORY);
    };
    const init = (name: string, memory: string, more = {}) => ({ name, resources: of(memory), ...more });
    fits({ initContainers: [init('a', '60Mi'), init('b', '50Mi')] }, 192);
    fits({ initContainers: [init('a', '100Mi'), init('b', '50Mi')] }, 228);
    fits({ initContainers: [init('mesh', '32Mi', { restartPolicy: 'Always' }), init('a', '100Mi')] }, 260);
    fits({ overhead: { memory: '8Mi' } }, 200);
    fits({ containers: [{ name: 'agent', resources: { limits: { memory: '64Mi' } } }] }, 192);
    fits({ initContainers: [init('spillway', '128Mi', { restartPolicy: 'Always' })] }, 192);
    fits({ containers: [init('agent', '64Mi'), init('spillway', '128Mi')] }, 192);
  });

  it('may ask every container for what the sidecar does not have', () => {
    const bare = { ...CONFIG, resources: { requests: { memory: '64Mi' } } };
    expect(byQuota({ 'limits.memory': '1T', cpu: '100' }, {}, podWith(), bare)).toBe(
      'ResourceQuota q requires limits.memory and requests.cpu of every container, and the sidecar has none',
    );
  });

  it('leaves a pod alone that asks for resources as a whole', () => {
    expect(
      byQuota({ memory: '1' }, {}, podWith({ resources: { limits: { memory: '64Mi' } } })),
    ).toBeUndefined();
  });

  it('counts only the pods of its scopes', () => {
    const counts = (spec: object, pod: object) => {
      const quotas = [quota({ memory: '1' }, {}, spec)];
      return noRoom(podWith(pod), CONFIG, { ...UNBOUNDED, quotas }) !== undefined;
    };
    const priority = (operator: string, ...values: string[]) => ({
      scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator, values }] },
    });
    const [ends, high] = [{ activeDeadlineSeconds: 60 }, { priorityClassName: 'high' }];
    expect(
      [['Terminating'], ['NotTerminating'], ['BestEffort'], ['NotBestEffort'], ['Unheard']].map((scopes) => [
        counts({ scopes }, {}),
        counts({ scopes }, ends),
      ]),
    ).toEqual([
      [false, true],
      [true, false],
      [false, false],
      [true, true],
      [true, true],
    ]);
    expect(
      [
        { scopes: ['PriorityClass'] },
        ...[priority('In', 'high'), priority('In', 'low'), priority('NotIn', 'high')],
        ...[priority('Exists'), priority('DoesNotExist')],
      ].map((spec) => [counts(spec, {}), counts(spec, high)]),
    ).toEqual([
      [false, true],
      [false, true],
      [false, false],
      [true, false],
      [false, true],
      [true, false],
    ]);
  });
});

describe('a LimitRange', () => {
  it.each([
    [{ type: 'Container', min: { memory: '128Mi' }, max: { memory: '128Mi' } }, undefined],
    [{ type: 'Container', min: { memory: '129Mi' } }, 'memory: Container min 129Mi'],
    [{ type: 'Container', max: { memory: '127Mi' } }, 'memory: Container max 127Mi'],
    [{ type: 'Container', max: { cpu: '199m' } }, 'cpu: Container max 199m'],
    [{ type: 'Container', maxLimitRequestRatio: { memory: '1', cpu: '4' } }, undefined],
    [{ type: 'Container', maxLimitRequestRatio: { cpu: '3' } }, 'cpu: Container maxLimitRequestRatio 3'],
    [{ type: 'Pod', max: { memory: '192Mi' } }, undefined],
    [{ type: 'Pod', max: { memory: '191Mi' } }, 'memory: Pod max 191Mi'],
    [{ type: 'Pod', maxLimitRequestRatio: { memory: '1' } }, undefined],
    [{ type: 'PersistentVolumeClaim', max: { memory: '1' } }, undefined],
  ])('may refuse the sidecar: %j', (limits, words) => {
    expect(byRange(limits)).toBe(words && `LimitRange l refuses the sidecar's ${words}`);
  });

  it('may fill in more than a pod has as a whole', () => {
    const pod = podWith({ resources: { limits: { memory: '64Mi' } } });
    expect(byRange({ type: 'Container', default: { memory: '64Mi' } }, pod)).toBe(
      'LimitRange l sets defaults of containers, and these may exceed the resources of the pod',
    );
    expect(byRange({ type: 'Container', maxLimitRequestRatio: { memory: '2' } }, pod)).toBeUndefined();
  });

  it('fills in what the sidecar does not say', () => {
    const bare = { ...CONFIG, resources: {} };
    expect(byRange({ type: 'Container', max: { memory: '1Mi' } }, podWith(), bare)).toBeUndefined();
  });
});
