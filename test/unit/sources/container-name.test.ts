import { readFileSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { containerPlace } from '../../../src/sources/container-name.ts';
import { fakeTree } from '../../support/fake-cgroup.ts';

const captured = readFileSync(new URL('../../fixtures/mountinfo/v2-agent.txt', import.meta.url), 'utf8');

it('reads whose a process is, or the own one', () => {
  const tree = fakeTree({ 'proc/30/mountinfo': captured, 'proc/self/mountinfo': captured });
  onTestFinished(() => tree.remove());
  expect(containerPlace(`${tree.root}/proc`, 30)?.container).toBe('agent');
  expect(containerPlace(`${tree.root}/proc`, 'self')).toEqual(containerPlace(`${tree.root}/proc`, 30));
});

it('is silent of a process that is gone, and of one without mounts to be seen', () => {
  const tree = fakeTree({ 'proc/30/mountinfo': '' });
  onTestFinished(() => tree.remove());
  expect(containerPlace(`${tree.root}/proc`, 30)).toBeUndefined();
  expect(containerPlace(`${tree.root}/proc`, 31)).toBeUndefined();
});
