import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { envOf, flagOf } from '../../../src/config/option.ts';
import { OPTION_LIST } from '../../../src/config/options.ts';
import { type ConfigSources, checkConfig, resolveConfig } from '../../../src/config/resolve.ts';
import { SpillwayError } from '../../../src/core/lib/errors.ts';
import { golden } from '../../support/golden.ts';
import { DEFAULT_OPTIONS } from '../../support/options.ts';

const dir = mkdtempSync(join(tmpdir(), 'spillway-config-'));
let files = 0;

function fileWith(content: string): string {
  const path = join(dir, `${++files}.yaml`);
  writeFileSync(path, content);
  return path;
}

/** Every problem as `place: message; hint`, without the folder. */
async function problemsOf(sources: ConfigSources): Promise<string[]> {
  const result = await checkConfig(sources);
  if (result.ok) return [];
  return result.problems.map(({ place, message, hint }) => `${place}: ${message}; ${hint}`);
}

describe('the defaults', () => {
  it('are those of the table', async () => {
    const { config, origins } = await resolveConfig({});
    expect(config).toStrictEqual(DEFAULT_OPTIONS);
    expect(new Set(Object.values(origins))).toEqual(new Set(['default']));
  });
});

describe('names', () => {
  it('follow from the key', () => {
    expect([flagOf('shedRatio'), envOf('shedRatio')]).toEqual(['--shed-ratio', 'SPILLWAY_SHED_RATIO']);
    expect([flagOf('hold'), envOf('hold')]).toEqual(['--hold', 'SPILLWAY_HOLD']);
    expect(new Set(OPTION_LIST.map(([key]) => envOf(key))).size).toBe(OPTION_LIST.length);
  });
});

describe('order of the sources', () => {
  it('is flag, environment, file, default, and each value tells its origin', async () => {
    const file = fileWith('hold: 1s\nshedRatio: "0.8"\n\nsampleMax: 30ms\n');
    const { config, origins } = await resolveConfig({
      flags: { hold: '3s' },
      env: { SPILLWAY_HOLD: '2s', SPILLWAY_SHED_RATIO: '.82', PATH: '/bin' },
      file,
    });
    expect(config).toMatchObject({ hold: 3000, shedRatio: 0.82, sampleMax: 30, sampleMin: 5 });
    expect(origins).toMatchObject({
      hold: 'flag --hold',
      shedRatio: 'environment SPILLWAY_SHED_RATIO',
      sampleMax: `file ${file}:4`,
      sampleMin: 'default',
    });
  });

  it('takes JSON as it takes YAML', async () => {
    const file = fileWith('{"limit": 536870912, "agent": "pid:12", "onBlind": "unready"}');
    expect((await resolveConfig({ file })).config).toMatchObject({
      limit: 2 ** 29,
      agent: { kind: 'pid', pid: 12 },
      onBlind: 'unready',
    });
  });

  it('takes words that other forms of YAML turn into booleans', async () => {
    const file = fileWith('restart: no\ngc: off\nrecycle: on\ngcStallBudget: 5 %\n');
    const { config } = await resolveConfig({ file });
    expect(config).toMatchObject({ restart: 'no', gc: 'off', recycle: 'on', gcStallBudget: 0.05 });
  });

  it('resolves an alias', async () => {
    const file = fileWith('sampleMin: &same 20ms\nsampleMax: *same\n');
    expect((await resolveConfig({ file })).config).toMatchObject({ sampleMin: 20, sampleMax: 20 });
  });
});

describe('the environment', () => {
  it('counts an empty value as unset and drops white space around one', async () => {
    const env = { SPILLWAY_LIMIT: '', SPILLWAY_AGENT: ' ', SPILLWAY_WEBHOOK_URL: 'https://a.example/x\n' };
    const { config } = await resolveConfig({ env });
    expect(config).toMatchObject({
      limit: undefined,
      agent: { kind: 'auto' },
      webhookUrl: 'https://a.example/x',
    });
  });

  it('leaves alone what others set', async () => {
    const env = {
      SPILLWAY_RUN: '1',
      SPILLWAY_URL: 'http://127.0.0.1:9797',
      SPILLWAY_SERVICE_HOST: '10.0.0.1',
      SPILLWAY_SERVICE_PORT: '9797',
      SPILLWAY_SERVICE_PORT_HTTP: '9797',
      SPILLWAY_PORT: 'tcp://10.0.0.1:9797',
      SPILLWAY_PORT_9797_TCP: 'tcp://10.0.0.1:9797',
      SPILLWAY_PORT_9797_TCP_PROTO: 'tcp',
      SPILLWAY_DEMO_PORT_80_TCP_ADDR: '10.0.0.2',
      SPILLWAY_DEMO_PORT: 'tcp://10.0.0.2:80',
    };
    expect(await problemsOf({ env })).toEqual([]);
  });

  it('reports a name it does not know', async () => {
    const env = { SPILLWAY_SHED_RATE: '0.8', SPILLWAY_LISTEN_PORT: '80', SPILLWAY_NONSENSE: '1' };
    expect(await problemsOf({ env })).toEqual([
      'SPILLWAY_SHED_RATE: this is not an option; did you mean SPILLWAY_SHED_RATIO?',
      'SPILLWAY_LISTEN_PORT: this is not an option; did you mean SPILLWAY_LISTEN?',
      'SPILLWAY_NONSENSE: this is not an option; remove it',
    ]);
  });
});

describe('problems', () => {
  it('are told all at once, from every source, in one error', async () => {
    const file = fileWith('shed-ratio: 0.8\nhold: 5\nhold: 6s\nsampleMin: [1]\n');
    const sources = { flags: { limit: 'lots' }, env: { SPILLWAY_LOG_LEVEL: 'loud' }, file };
    expect(await problemsOf(sources)).toEqual([
      `${file}:3:1: hold appears twice, first in line 2; remove one of them`,
      `${file}:1:1: shed-ratio is not an option; did you mean shedRatio?`,
      `${file}:2:7: hold: 5 is not a duration; write a time with its unit from 0s to 1h, such as 50ms, 1.5s or 2m`,
      `${file}:4:12: sampleMin: a list is not a duration; write a time with its unit from 1ms to 1s, such as 50ms, 1.5s or 2m`,
      'SPILLWAY_LOG_LEVEL: logLevel: "loud" is not one of trace, debug, info, warn, error, fatal, silent; write one of trace, debug, info, warn, error, fatal, silent',
      '--limit: limit: "lots" is not a quantity of bytes; write bytes with a unit, such as 512Mi or 2G, at least 1Mi',
    ]);
    const thrown = await resolveConfig(sources).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(SpillwayError);
    expect(thrown).toMatchObject({ code: 'config' });
    expect((thrown as SpillwayError).message.split('\n')).toHaveLength(7);
  });

  it('are told for a value that is overridden too', async () => {
    const env = { SPILLWAY_HOLD: 'long' };
    expect(await problemsOf({ flags: { hold: '1s' }, env })).toHaveLength(1);
  });

  it('name a bound in the form that the user writes', async () => {
    const flags = { limit: '512', shedRatio: '85', sampleMax: '1m' };
    expect(await problemsOf({ flags })).toEqual([
      '--limit: limit: 512 is below the minimum of 1Mi; write bytes with a unit, such as 512Mi or 2G, at least 1Mi',
      '--shed-ratio: shedRatio: 85 is above the maximum of 1; write a number from 0.01 to 1',
      '--sample-max: sampleMax: 1m is above the maximum of 10s; write a time with its unit from 1ms to 10s, such as 50ms, 1.5s or 2m',
    ]);
  });

  it('cover how values stand to each other, across sources', async () => {
    const flags = { shedRatio: '0.7', sampleMax: '4ms', recoverMargin: '0.5' };
    expect(await problemsOf({ flags, env: { SPILLWAY_WARN_RATIO: '0.4' } })).toEqual([
      '--recover-margin, SPILLWAY_WARN_RATIO: recoverMargin 0.5 must be below warnRatio 0.4; lower recoverMargin or raise warnRatio',
      '--sample-max: sampleMin 5ms (default) must be at most sampleMax 4ms; lower sampleMin or raise sampleMax',
    ]);
    expect(await problemsOf({ flags: { shedRatio: '0.75' } })).toEqual([
      '--shed-ratio: warnRatio 0.75 (default) must be below shedRatio 0.75; lower warnRatio or raise shedRatio',
    ]);
    // The value that is wrong in itself says nothing about the order.
    expect(await problemsOf({ flags: { shedRatio: 'x', warnRatio: '0.9' } })).toHaveLength(1);
  });

  it('name a URL that is given twice', async () => {
    const env = { SPILLWAY_WEBHOOK_URL: 'https://a.example/SECRET' };
    expect(await problemsOf({ flags: { webhookUrlFile: '/etc/url' }, env })).toEqual([
      'SPILLWAY_WEBHOOK_URL, --webhook-url-file: webhookUrl and webhookUrlFile are both set; remove one of them',
    ]);
  });

  it('name an admin address that is open to others without a token', async () => {
    const flags = { adminListen: '0.0.0.0:9798' };
    expect(await problemsOf({ flags })).toEqual([
      '--admin-listen: adminListen 0.0.0.0:9798 is not loopback and adminToken is not set; set SPILLWAY_ADMIN_TOKEN, or listen on 127.0.0.1',
    ]);
    expect(await problemsOf({ flags, env: { SPILLWAY_ADMIN_TOKEN: 'correct-horse' } })).toEqual([]);
    for (const adminListen of ['[::1]:1', 'localhost:1', '127.1.2.3:1'])
      expect(await problemsOf({ flags: { adminListen } })).toEqual([]);
    // a token that is wrong in itself is told alone, and never shown
    const [problem, ...more] = await problemsOf({ flags: { ...flags, adminToken: 'hunter2' } });
    expect(more).toEqual([]);
    expect(problem?.startsWith('--admin-token: adminToken: ')).toBe(true);
    expect(problem).not.toContain('hunter2');
  });

  it('never show a webhook URL, which may hold credentials', async () => {
    const [problem, ...more] = await problemsOf({ flags: { webhookUrl: 'ftp://me:hunter2@host/' } });
    expect(more).toEqual([]);
    expect(problem?.startsWith('--webhook-url: webhookUrl: ')).toBe(true);
    expect(problem).not.toContain('hunter2');
  });

  it('cut a long value', async () => {
    const [problem] = await problemsOf({ flags: { hold: 'x'.repeat(5000) } });
    expect(problem?.length).toBeLessThan(250);
  });
});

golden('config', async () => {
  const wrong: ConfigSources[] = [
    { flags: { adminListen: '0.0.0.0:9798', adminToken: 'hunter2' } },
    { flags: { webhookUrl: 'ftp://me:hunter2@host/' } },
    { file: join(dir, 'none.yaml') },
    { file: dir },
    { file: 'a\0b' },
    { file: '/dev/zero' },
    { file: fileWith('- hold') },
    { file: fileWith('hold: 5s\nlisten: [::]:9797\n') },
    { file: fileWith('hold: 5s\n---\nhold: 6s\n') },
  ];
  const problems = await Promise.all(wrong.map(problemsOf));
  // numbers of files and what Node says of a path are not Spillway's
  return problems
    .flat()
    .map((line) => line.replace(dir, 'DIR').replace(/\/\d+\./, '/FILE.'))
    .map((line) => line.replace(/^a\0b(.* read: ).*;/, 'a\\0b$1…;'));
});
