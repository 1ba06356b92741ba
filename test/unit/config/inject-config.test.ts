import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ANNOTATION_OPTIONS, readInjectConfig } from '../../../src/config/inject-config.ts';
import { resolveInjectorOptions } from '../../../src/config/injector-options.ts';
import { OPTION_LIST } from '../../../src/config/options.ts';

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
    const { problems } = await read(
      [
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
      ].join('\n'),
    );
    expect(problems?.sort()).toEqual(
      [
        'sidecar.yaml:1:7: imge: "imge" is not known here',
        'sidecar.yaml:2:8: image: "" is not the name of an image',
        'sidecar.yaml:3:18: imagePullPolicy: this is not Always, IfNotPresent or Never',
        'sidecar.yaml:4:9: native: this is not true or false',
        'sidecar.yaml:7:9: options.holt: this is not an option of the guardian',
        'sidecar.yaml:8:11: options.listen: this is set by the injector',
        'sidecar.yaml:9:7: options.gc: this is not text',
        'sidecar.yaml:11:22: resources.requests.memory: "64Mb" is not a quantity, such as 64Mi',
        'sidecar.yaml:11:33: resources.requests.gpu: this is not cpu, memory or ephemeral-storage',
        expect.stringContaining('shedRatio 0.99 must be below criticalRatio 0.92'),
      ].sort(),
    );
    expect((await read('a: b: c\n')).problems).toEqual([
      expect.stringMatching(/^sidecar.yaml:1:4: Nested mappings/),
    ]);
    expect((await read('[1]\n')).problems).toEqual(['sidecar.yaml: the file: this is not a mapping']);
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
      expect(await problems(path), path).toEqual([expect.stringContaining('no volume can be mounted there')]);
  });

  it('asks for no more than it may have: the API would refuse every pod', async () => {
    const problems = async (requests: string, limits: string) =>
      (await read(`resources: {requests: {${requests}}, limits: {${limits}}}`)).problems ?? [];
    expect(await problems('memory: 256Mi', 'memory: 200M')).toEqual([
      expect.stringContaining('the request of memory, 256Mi, is above the limit 200M'),
    ]);
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
    expect(await problems({ listen: '0.0.0.0:1', certDir: '/c', ...KEPT })).toMatch(/3 problems/);
  });
});
