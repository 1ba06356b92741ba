import { describe, expect, it } from 'vitest';
import { hostName, isPublicName } from '../../../../src/core/lib/host-name.ts';

describe('the name in a Host header', () => {
  it.each([
    ['[::1]:9798', '::1'],
    ['[fd00::5]', 'fd00::5'],
    ['localhost:9798', 'localhost'],
    ['evil.example', 'evil.example'],
    ['', ''],
  ])('of %j is %j', (host, name) => {
    expect(hostName(host)).toBe(name);
  });

  it.each([
    'evil.example',
    'EVIL.Example.',
    'a.svc.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.1.',
  ])('may be anybody’s: %s', (name) => {
    expect(isPublicName(name)).toBe(name !== '127.0.0.1.');
  });

  it.each([
    '',
    'localhost',
    'me.localhost',
    'spillway',
    '127.0.0.1',
    '10.244.1.7',
    '::1',
    'fd00::5',
    'agent.default.svc',
    'agent.default.svc.cluster.local',
    'ip-10-0-0-1.ec2.internal',
  ])('is this host’s or the cluster’s: %j', (name) => {
    expect(isPublicName(name)).toBe(false);
  });
});
