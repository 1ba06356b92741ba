import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { containerOf } from '../../../../src/core/proc/mountinfo.ts';

const captured = (name: string) =>
  readFileSync(new URL(`../../../fixtures/mountinfo/${name}.txt`, import.meta.url), 'utf8');
const line = (root: string) => `194 179 254:0 ${root} /dev/termination-log rw,relatime - ext4 /dev/vda rw\n`;

describe('containerOf', () => {
  it.each(['v1', 'v2'])('tells the containers of a pod apart (%s)', (version) => {
    const places = ['agent', 'helper', 'spillway'].map((name) => containerOf(captured(`${version}-${name}`)));
    expect(places.map((place) => place?.container)).toEqual(['agent', 'helper', 'spillway']);
    expect(new Set(places.map((place) => place?.podUid)).size).toBe(1);
    expect(places[0]?.podUid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(containerOf(captured(`${version}-pause`))).toBeUndefined();
  });

  it.each([
    ['/var/lib/kubelet/pods/u-1/containers/my-agent/54ff6635', 'my-agent'],
    // the kubelet's directory is a mount of its own, or lies elsewhere
    ['/pods/u-1/containers/my-agent/54ff6635', 'my-agent'],
    ['/data/kubelet/pods/u-1/containers/my-agent/54ff6635', 'my-agent'],
    ['/var/lib/kubelet/pods/u-1/containers/my-agent/54ff6635//deleted', 'my-agent'],
    // a static pod has a hash for its uid
    ['/var/lib/kubelet/pods/8f2b6d3c9d/containers/etcd/0a1b2c3d', 'etcd'],
  ])('finds it in %s', (root, container) => {
    expect(containerOf(`1 0 0:1 / / rw - overlay overlay rw\n${line(root)}`)?.container).toBe(container);
  });

  it.each([
    '',
    '/',
    '/var/lib/kubelet/pods/u-1/etc-hosts',
    '/var/lib/kubelet/pods/u-1/volumes/kubernetes.io~empty-dir/containers/x',
    '/var/lib/kubelet/pods/u-1/containers/agent',
    '/var/lib/docker/containers/0123abcd/hostname',
    '/srv/pods/u-1/containers/Agent/54ff6635',
  ])('finds none in "%s"', (root) => {
    expect(containerOf(line(root))).toBeUndefined();
  });
});
