import { describe, expect, it } from 'vitest';
import { restartedBy, restartsOf } from '../../../src/commands/guard.ts';

describe('whether an agent that ended in order is started again', () => {
  it('follows the restart policy of its pod, and is not known without it', () => {
    expect(restartedBy('Always')).toBe(true);
    // it ended in order: to Kubernetes that is no failure
    expect(restartedBy('OnFailure')).toBe(false);
    expect(restartedBy('Never')).toBe(false);
    expect(restartedBy(undefined)).toBeNull();
  });
});

describe('restarts of the agent', () => {
  it('are counted of one container, whether it tells its name or not', () => {
    expect(restartsOf('agent', undefined)).toBe(0);
    expect(restartsOf('agent', { container: 'agent', restarts: 0 })).toBe(1);
    expect(restartsOf('agent', { container: 'agent', restarts: 4 })).toBe(5);
    expect(restartsOf(undefined, { container: undefined, restarts: 0 })).toBe(1);
  });

  it('are none where another container follows: an init container has done its part', () => {
    expect(restartsOf('agent', { container: 'migrate', restarts: 0 })).toBe(0);
    expect(restartsOf('agent', { container: 'migrate', restarts: 3 })).toBe(0);
  });
});
