import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { eventRights, kubernetesEvent } from '../../../../src/core/report/kubernetes-event.ts';
import { eventOf } from '../../../support/event.ts';

const POD = { namespace: 'team', name: 'agent-1', uid: undefined, serviceAccount: undefined };

describe('kubernetesEvent', () => {
  it('has a name that follows from the id, and fits and is valid whatever the pod is called', () => {
    const event = eventOf('AgentStuck');
    expect(kubernetesEvent(event, POD).metadata.name).toBe(`agent-1.${event.id}`);
    for (const name of ['a'.repeat(253), `${'b'.repeat(215)}-${'c'.repeat(30)}`, 'd.'.repeat(120)]) {
      const made = kubernetesEvent(event, { ...POD, name });
      expect(made.metadata.name.length).toBeLessThanOrEqual(253);
      expect(made.metadata.name).toMatch(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])\.[-a-z0-9]+$/);
      expect(made.reportingInstance.length).toBeLessThanOrEqual(128);
      expect(made.regarding.name).toBe(name);
    }
  });

  it('is a series from the start when several were told as one', () => {
    const made = kubernetesEvent(
      eventOf('AgentStuck', {
        count: 3,
        at: '2026-01-02T03:05:00.000Z',
        firstAt: '2026-01-02T03:00:00.000Z',
      }),
      POD,
    );
    expect(made.eventTime).toBe('2026-01-02T03:00:00.000Z');
    expect(made.series).toEqual({ count: 3, lastObservedTime: '2026-01-02T03:05:00.000Z' });
    expect(kubernetesEvent(eventOf('AgentStuck'), POD)).not.toHaveProperty('series');
  });

  it('names no uid where none is known', () => {
    expect(kubernetesEvent(eventOf('AgentStuck'), POD).regarding).not.toHaveProperty('uid');
  });
});

it('eventRights gives a role for Events alone, bound to the account', () => {
  const [role, binding] = parseAllDocuments(eventRights('team', 'runner')).map((document) => document.toJS());
  expect(role).toEqual({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'spillway-events', namespace: 'team' },
    rules: [{ apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] }],
  });
  expect(binding).toMatchObject({
    kind: 'RoleBinding',
    metadata: { namespace: 'team' },
    roleRef: { kind: 'Role', name: 'spillway-events' },
    subjects: [{ kind: 'ServiceAccount', name: 'runner', namespace: 'team' }],
  });
});
