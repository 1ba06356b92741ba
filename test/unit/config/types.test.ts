import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import {
  address,
  agentSelector,
  httpUrl,
  path,
  percentage,
  quantity,
  ratio,
  token,
} from '../../../src/config/types.ts';

describe('address', () => {
  const parse = (text: string) => v.safeParse(address.schema, text);

  it('takes IPv4, names and IPv6 in brackets, and port 0', () => {
    expect(parse('127.0.0.1:0').output).toEqual({ host: '127.0.0.1', port: 0 });
    expect(parse('localhost:9797').output).toEqual({ host: 'localhost', port: 9797 });
    expect(parse('[::]:65535').output).toEqual({ host: '::', port: 65_535 });
    expect(parse('[fe80::1%eth0]:80').output).toEqual({ host: 'fe80::1%eth0', port: 80 });
  });

  it.each([
    '',
    ':80',
    '9797',
    'localhost',
    '::1:80',
    '[::1]',
    '[1.2.3.4]:1',
    '1.2.3:4',
    '256.1.1.1:80',
    'a:65536',
    'a b:1',
    'http://a:1',
    'a:-1',
  ])('refuses %j', (text) => {
    expect(parse(text).success).toBe(false);
  });
});

describe('agent selector', () => {
  const parse = (text: string) => v.safeParse(agentSelector.schema, text);

  it('takes auto, a pid, a container and a text', () => {
    expect(parse('auto').output).toEqual({ kind: 'auto' });
    expect(parse('pid:4711').output).toEqual({ kind: 'pid', pid: 4711 });
    expect(parse('container:my-agent-1').output).toEqual({ kind: 'container', name: 'my-agent-1' });
    expect(parse('match:node a:b').output).toEqual({ kind: 'match', text: 'node a:b' });
  });

  it.each([
    '',
    'pid:',
    'pid:0',
    'pid:-1',
    'pid:1.5',
    'match:',
    'match:  ',
    'node',
    'container:',
    'container:My_Agent',
    'container:-a',
    `container:${'a'.repeat(64)}`,
  ])('refuses %j', (text) => {
    expect(parse(text).success).toBe(false);
  });
});

describe('ratio and quantity', () => {
  it('refuse what is no finite number in a file', () => {
    for (const value of [Number.NaN, Infinity, -Infinity, true, null, '', ' ', '85%', '0x1', {}, []]) {
      expect(v.safeParse(ratio(0, 1).schema, value).success).toBe(false);
      expect(v.safeParse(quantity('1Mi').schema, value).success).toBe(false);
    }
  });

  it('refuse a fraction of a byte', () => {
    expect(v.safeParse(quantity('1Mi').schema, 2_000_000.5).success).toBe(false);
  });
});

describe('percentage', () => {
  const { schema, render } = percentage('0%', '100%');

  it.each([
    ['10%', 0.1],
    [' 5 % ', 0.05],
    ['0%', 0],
    ['100.0%', 1],
    ['0.0001%', 0.000001],
    ['7%', 0.07],
  ])('takes %j as %d', (text, share) => {
    expect(v.parse(schema, text)).toBe(share);
    expect(v.parse(schema, render(share))).toBe(share);
  });

  it.each([
    '',
    '10',
    '0.1',
    '%',
    '-1%',
    '101%',
    '1e1%',
    '10 percent',
    '1,5%',
    0.1,
    10,
    null,
  ])('refuses %j', (value) => {
    expect(v.safeParse(schema, value).success).toBe(false);
  });
});

describe('token', () => {
  it('takes what fits into a header and is not short', () => {
    for (const text of ['s3cret-t', 'A+/=~!"#']) expect(v.safeParse(token.schema, text).success).toBe(true);
    for (const text of ['', 'short', 'with a space', 'line\nbreak', 'größer-als', 12345678])
      expect(v.safeParse(token.schema, text).success).toBe(false);
    expect(token.mask?.('correct-horse')).toBe('***');
  });
});

describe('path', () => {
  it('refuses an empty one and a NUL', () => {
    for (const text of ['', '/a\0b']) expect(v.safeParse(path.schema, text).success).toBe(false);
  });
});

describe('webhook URL', () => {
  it('hides what may be a secret', () => {
    const mask = (text: string) => httpUrl.mask?.(text);
    expect(mask('https://me:pw@alerts.example:8443/hook?token=abc&token=d&b=1#frag')).toBe(
      'https://***@alerts.example:8443/hook?token=***&b=***',
    );
    expect(mask('https://hooks.example/services/T0/B0/abcdefghijklmnopqrstuvwx')).toBe(
      'https://hooks.example/services/T0/B0/***',
    );
    expect(mask('http://alerts.example/hook')).toBe('http://alerts.example/hook');
  });

  it.each([
    '',
    'alerts.example',
    'http:/x',
    'file:///etc/passwd',
    'http://',
    'https://[x/',
  ])('refuses %j', (text) => {
    expect(v.safeParse(httpUrl.schema, text).success).toBe(false);
  });
});
