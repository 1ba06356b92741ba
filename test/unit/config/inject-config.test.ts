import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ANNOTATION_OPTIONS, readInjectConfig } from '../../../src/config/inject-config.ts';
import { resolveInjectorOptions } from '../../../src/config/injector-options.ts';
import { OPTION_LIST } from '../../../src/config/options.ts';
import { golden } from '../../support/golden.ts';

async function read(text: string, flags = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'inject-config-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'sidecar.yaml');
  writeFileSync(file, text);
  const result = await readInjectConfig('1', file, flags);
  return {
    config: result.config,
    problems: result.problems?.map(
      ({ place, message }) => `${place.replace(`${directory}/`, '')}: ${message}`,
    ),
  };
}

const UNREADABLE = 'a: b: c\n';
/** All is wrong with it. */
const WRONG = [
  'imge: a',
  'image: ""',
  'imagePullPolicy: Sometimes',
  'native: 1',
  'options:',
  '  shedRatio: 0.99',
  '  holt: 5s',
  '  listen: 0.0.0.0:1',
  '  gc: [1]',
  'resources:',
  '  requests: {memory: 64Mb, gpu: 1}',
].join('\n');

describe("the sidecar's configuration", () => {
  it('fills what is left out', async () => {
    const whole = {
      image: 'ghcr.io/spillway-dev/spillway:1',
      imagePullPolicy: 'IfNotPresent',
      native: true,
      events: true,
      options: {},
      addNodeOptions: false,
      resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '128Mi' } },
    };
    expect((await readInjectConfig('1')).config).toEqual(whole);
    for (const empty of ['', '{}', '# nothing\n']) expect((await read(empty)).config).toEqual(whole);
    expect((await read(JSON.stringify(whole))).config).toEqual(whole);
    expect((await read('options: {warnRatio: 0.5, gc: "off"}\nresources: {}\n')).config).toEqual({
      ...whole,
      options: { warnRatio: '0.5', gc: 'off' },
      resources: {},
    });
  });

  it('has no token where events are off', async () => {
    expect((await read('options: {events: "off"}\n')).config?.events).toBe(false);
    expect((await read('events: false\n')).config?.events).toBe(false);
    expect((await read('', { events: 'off' })).config?.events).toBe(false);
    expect((await read('options: {events: "on"}\n')).config?.events).toBe(true);
  });

  it('is told with all that is wrong, and where', async () => {
    const { problems = [] } = await read(WRONG);
    const places = [
      'sidecar.yaml:1:7: imge',
      'sidecar.yaml:2:8: image',
      'sidecar.yaml:3:18: imagePullPolicy',
      'sidecar.yaml:4:9: native',
      'sidecar.yaml:7:9: options.holt',
      'sidecar.yaml:8:11: options.listen',
      'sidecar.yaml:9:7: options.gc',
      'sidecar.yaml:11:22: resources.requests.memory',
      'sidecar.yaml:11:33: resources.requests.gpu',
    ];
    for (const place of places)
      expect(problems.filter((problem) => problem.startsWith(`${place}: `))).toHaveLength(1);
    const rest = problems.filter((problem) => !problem.startsWith('sidecar.yaml:'));
    expect([problems.length, rest.length]).toEqual([places.length + 1, 1]);
    for (const name of ['shedRatio 0.99', 'criticalRatio 0.92']) expect(rest[0]).toContain(name);
    const { problems: unread = [] } = await read(UNREADABLE);
    expect(unread.map((problem) => problem.startsWith('sidecar.yaml:1:4: '))).toEqual([true]);
    expect((await read('[1]\n')).problems).toHaveLength(1);
  });

  it('names the entry of a Secret that holds the URL of the webhook, or the URL, not both', async () => {
    const secret = 'webhookUrlSecret: {name: alerts, key: url}\n';
    expect((await read(secret)).config?.webhookUrlSecret).toEqual({ name: 'alerts', key: 'url' });
    expect((await read('webhookUrlSecret: {name: Alerts}\n')).problems).toHaveLength(2);
    expect((await read(`${secret}options: {webhookUrl: "https://a.example/"}\n`)).problems).toEqual([
      'sidecar.yaml: webhookUrlSecret and the option webhookUrl are both set',
    ]);
  });

  it('keeps records where a volume can be mounted', async () => {
    const problems = async (path: string) => (await read('', { recordDir: path })).problems;
    expect(await problems('/var/lib/spillway')).toBeUndefined();
    for (const path of [
      'records',
      '/',
      '/proc/1',
      '/var/run/secrets',
      '/a/../etc',
      '/a//b',
      `/${'a'.repeat(255)}`,
    ])
      expect(await problems(path), path).toHaveLength(1);
  });

  it('asks for no more than it may have: the API would refuse every pod', async () => {
    const problems = async (requests: string, limits: string) =>
      (await read(`resources: {requests: {${requests}}, limits: {${limits}}}`)).problems ?? [];
    const [problem, ...more] = await problems('memory: 256Mi', 'memory: 200M');
    expect(more).toEqual([]);
    for (const given of ['memory', '256Mi', '200M']) expect(problem).toContain(given);
    expect(await problems('cpu: 1500m', 'cpu: 1')).toHaveLength(1);
    expect(await problems('cpu: 1, memory: 1e8', 'cpu: 1000m, memory: 96Mi')).toEqual([]);
    expect(await problems('memory: 0.1Gi', 'cpu: 1')).toEqual([]);
  });
});

describe('annotations', () => {
  it('may set the options of the guardian that are nobody else’s business', () => {
    const flags = [...ANNOTATION_OPTIONS.flags];
    for (const never of [
      'listen',
      'admin-listen',
      'admin-token',
      'agent',
      'downward-limit',
      'pod-restart-policy',
      'webhook-url-file',
      'config',
      'restart',
    ])
      expect(flags).not.toContain(never);
    expect(flags).toContain('shed-ratio');
    const guarding = OPTION_LIST.filter(([, { commands }]) => commands.includes('guard'));
    expect(flags).toHaveLength(guarding.length - 8);
  });

  it('are judged alone, beside one another, and beside what is configured', () => {
    const flags = (values: Record<string, string>, configured = {}) =>
      [...new Set(ANNOTATION_OPTIONS.problems(values, configured).map(({ flag }) => flag))].sort();
    expect(flags({ 'shed-ratio': '0.8', hold: '10s' })).toEqual([]);
    expect(flags({ 'shed-ratio': '2', hold: '10' })).toEqual(['hold', 'shed-ratio']);
    expect(flags({ 'shed-ratio': '0.95' })).toContain('shed-ratio');
    expect(flags({ 'shed-ratio': '0.95', 'critical-ratio': '0.97' })).toEqual([]);
    expect(flags({ 'shed-ratio': '0.95' }, { criticalRatio: '0.99' })).toEqual([]);
    expect(flags({ 'sample-min': '20ms' }, { sampleMax: '10ms' })).toContain('sample-min');
  });
});

describe('the flags of the injector', () => {
  const CLUSTER = {
    KUBERNETES_SERVICE_HOST: '10.0.0.1',
    KUBERNETES_SERVICE_PORT: '443',
    POD_NAMESPACE: 'ns',
  };
  const KEPT = { secret: 's', webhookConfiguration: 'c', service: 's.ns.svc' };
  const problems = (flags: Record<string, string>, env: Record<string, string> = CLUSTER) =>
    resolveInjectorOptions(flags, env).then(
      () => '',
      (error: Error) => error.message,
    );

  it('name a certificate in files or in a Secret', async () => {
    expect(await resolveInjectorOptions({ listen: '[::]:1', certDir: '/c' }, {})).toMatchObject({
      listen: { host: '::', port: 1 },
      certificate: { directory: '/c' },
      logLevel: 'info',
    });
    expect(await resolveInjectorOptions({ listen: '0.0.0.0:8443', ...KEPT }, CLUSTER)).toMatchObject({
      certificate: {
        namespace: 'ns',
        secret: 's',
        configuration: 'c',
        service: 's.ns.svc',
        apiServer: { host: '10.0.0.1', port: 443 },
      },
    });
  });

  it('are told with all that is wrong', async () => {
    const all = await problems({ listen: 'x', logLevel: 'loud', secret: 'S', service: 'a' }, {});
    for (const part of [
      '--listen',
      '--log-level',
      '--secret: "S"',
      '--webhook-configuration: is missing',
      'KUBERNETES_SERVICE_HOST',
      'POD_NAMESPACE',
    ])
      expect(all).toContain(part);
    const lines = (await problems({ listen: '0.0.0.0:1', certDir: '/c', ...KEPT })).split('\n');
    expect(lines).toHaveLength(1 + 3);
    for (const flag of ['--secret', '--webhook-configuration', '--service'])
      expect(lines.filter((line) => line.includes(`${flag}: `))).toHaveLength(1);
  });

  golden('injector-flags', async () => [
    await problems({ listen: 'x', logLevel: 'loud', secret: 'S', service: 'a' }, {}),
    await problems({ listen: '0.0.0.0:1', certDir: '/c', ...KEPT }),
  ]);
});

golden('sidecar-config', async () => {
  const all = [
    await read(WRONG),
    await read(UNREADABLE),
    await read('[1]\n'),
    await read('webhookUrlSecret: {name: alerts, key: url}\noptions: {webhookUrl: "https://a.example/"}\n'),
    await read('', { recordDir: '/proc/1' }),
    await read('resources: {requests: {memory: 256Mi}, limits: {memory: 200M}}'),
  ];
  return all.flatMap(({ problems }) => problems ?? ['nothing is wrong']);
});
