import { describe, expect, it } from 'vitest';
import { podsOf, skippedIn } from '../../../../src/core/inject/workload.ts';

const spec = { containers: [{ name: 'a' }] };
const template = { metadata: {}, spec };
const object = (apiVersion: string, kind: string, rest: object) => ({
  apiVersion,
  kind,
  metadata: { name: 'n' },
  ...rest,
});
const found = (value: unknown) => podsOf(value).map(({ name, path }) => `${name}: ${path.join('.')}`);

describe('the pods of an object', () => {
  it('are where its kind keeps them', () => {
    expect(found(object('v1', 'Pod', { spec }))).toEqual(['Pod n: ']);
    for (const [apiVersion, kind] of [
      ['apps/v1', 'Deployment'],
      ['apps/v1', 'StatefulSet'],
      ['apps/v1', 'DaemonSet'],
      ['apps/v1', 'ReplicaSet'],
      ['v1', 'ReplicationController'],
      ['batch/v1', 'Job'],
      ['argoproj.io/v1alpha1', 'Rollout'],
      ['apps.kruise.io/v1beta1', 'StatefulSet'],
    ] as const)
      expect(found(object(apiVersion, kind, { spec: { template } }))).toEqual([`${kind} n: spec.template`]);
    expect(found(object('v1', 'PodTemplate', { template }))).toEqual(['PodTemplate n: template']);
    expect(found(object('batch/v1', 'CronJob', { spec: { jobTemplate: { spec: { template } } } }))).toEqual([
      'CronJob n: spec.jobTemplate.spec.template',
    ]);
  });

  it('are those of a list’s items, also of items that do not say their kind', () => {
    const pod = object('v1', 'Pod', { spec });
    const list = {
      apiVersion: 'v1',
      kind: 'List',
      items: [pod, { kind: 'Service', apiVersion: 'v1' }, null, pod],
    };
    expect(found(list)).toEqual(['Pod n: items.0', 'Pod n: items.3']);
    expect(found({ apiVersion: 'apps/v1', kind: 'DeploymentList', items: [{ spec: { template } }] })).toEqual(
      ['Deployment: items.0.spec.template'],
    );
    expect(found({ apiVersion: 'v1', kind: 'List', items: [list] })).toHaveLength(2);
  });

  it('are known to be missed where another kind has a template', () => {
    const missed = (value: unknown) => skippedIn(value).map(({ name, path }) => `${name}: ${path.join('.')}`);
    const config = object('apps.openshift.io/v1', 'DeploymentConfig', { spec: { template } });
    const service = object('serving.knative.dev/v1', 'Service', { spec: { template } });
    expect(missed(config)).toEqual(['DeploymentConfig n: ']);
    expect(missed({ apiVersion: 'v1', kind: 'List', items: [service, config] })).toEqual([
      'Service n: items.0',
      'DeploymentConfig n: items.1',
    ]);
    const items = [{ spec: { template } }];
    for (const value of [
      object('apps/v1', 'Deployment', { spec: { template } }),
      { apiVersion: 'apps/v1', kind: 'DeploymentList', items },
      object('v1', 'Pod', { spec }),
      object('v1', 'Service', { spec: { ports: [] } }),
      null,
    ])
      expect(missed(value)).toEqual([]);
  });

  it('are none of anything else', () => {
    for (const value of [
      null,
      1,
      'text',
      [],
      {},
      object('v1', 'Service', { spec: { template } }),
      object('serving.knative.dev/v1', 'Service', { spec: { template } }),
      object('example.org/v1', 'Deployment', { spec: { template } }),
      object('v1', 'Pod', {}),
      object('v1', 'Pod', { spec: { containers: {} } }),
      object('v1', 'Pod', { spec: { containers: ['a'] } }),
      object('apps/v1', 'Deployment', { spec: { template: null } }),
      object('v1', 'Pod', { spec, metadata: 'n' }),
      object('v1', 'toString', { spec }),
      object('constructor/v1', 'Pod', { spec }),
    ])
      expect(found(value)).toEqual([]);
  });
});
