import { describe, expect, it } from 'vitest';
import { formatAddress, isLoopback, localUrl } from '../../../../src/core/lib/address.ts';

describe('loopback', () => {
  it.each([
    'localhost',
    'LOCALHOST.',
    '127.0.0.1',
    '127.255.0.9',
    '::1',
    '::ffff:127.0.0.1',
  ])('is %s', (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each([
    '',
    '0.0.0.0',
    '::',
    '10.0.0.1',
    '127.evil.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'evil.localhost',
    '::ffff:10.0.0.1',
  ])('is not %j', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});

it.each([
  ['::', 'http://127.0.0.1:9797'],
  ['0.0.0.0', 'http://127.0.0.1:9797'],
  ['::1', 'http://[::1]:9797'],
  ['10.0.0.1', 'http://10.0.0.1:9797'],
])('a server bound to %s is reached by %s', (host, url) => {
  expect(localUrl({ host, port: 9797 })).toBe(url);
});

it('writes an IPv6 host in brackets', () => {
  expect(formatAddress({ host: '::', port: 9797 })).toBe('[::]:9797');
  expect(formatAddress({ host: 'agent.local', port: 80 })).toBe('agent.local:80');
});
