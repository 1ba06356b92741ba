import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type CliOptions, cleanEnv, freePort, startCli, until } from '../support/cli.ts';

const FIXTURES = 'test/fixtures/pods';
const plain = readFileSync(`${FIXTURES}/plain.yaml`, 'utf8');

/** `spillway inject` as a part of a pipe. */
async function piped(args: string[], input = '', options: CliOptions = {}) {
  const { child, ended } = startCli(['inject', ...args], { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  child.stdin?.on('error', () => {}); // it may end before it has read all
  child.stdin?.end(input);
  return ended;
}

describe('spillway inject', () => {
  it('is a filter: what it wrote, it reads, and takes out again', async () => {
    const { out, err, code } = await piped(['-f', '-'], plain);
    expect([code, err]).toEqual([0, '']);
    expect((await piped(['-f', '-'], out)).out).toBe(out);
    expect((await piped(['-f', '-', '--uninject'], out)).out).toBe(plain);
  });

  it('reads several files, and says what it cannot guard', async () => {
    const { out, err, code } = await piped([
      '-f',
      `${FIXTURES}/plain.yaml`,
      '--file',
      `${FIXTURES}/host-pid.yaml`,
    ]);
    expect(code).toBe(0);
    expect(out.match(/name: spillway$/gm)).toHaveLength(2);
    expect(err).toBe(
      `${FIXTURES}/host-pid.yaml:2: Pod host-pid: not injected: hostPID excludes shareProcessNamespace\n`,
    );
  });

  it('takes flags of the guardian, and nothing of its surroundings', async () => {
    const env = cleanEnv({ SPILLWAY_HOLD: '9s' });
    const { out } = await piped(['-f', '-', '--shed-ratio', '0.8', '--classic', '--image', 'a:1'], plain, {
      env,
    });
    expect(out).toMatch(/SPILLWAY_SHED_RATIO\n\s+value: "0.8"/);
    expect(out).toContain('image: a:1');
    expect(out).not.toMatch(/SPILLWAY_HOLD|initContainers/);
  });

  it.each([
    [['-f', '-'], 'a: [', 1, /standard input:1:\d+: Flow sequence/],
    [['-f', '/nonexistent'], '', 1, /the file does not exist/],
    [['-f', '-'], 'a: {{ .Values.a }}', 1, /this is a template/],
    [['-f', '-', '--shed-ratio', '7'], plain, 2, /--shed-ratio: shedRatio: 7 is above the maximum/],
    [['-f', '-', '--sidecar', '/nonexistent'], plain, 2, /\/nonexistent: the file does not exist/],
    [['-f', '-', '--listen', '0.0.0.0:1'], plain, 2, /unknown option '--listen'/],
    [[], plain, 2, /nothing to read: give -f FILE/],
  ])('ends %j of %j with %i', async (args, input, code, message) => {
    const ended = await piped(args, input);
    expect([ended.code, ended.out]).toEqual([code, '']);
    expect(ended.err).toMatch(message);
  });

  it('passes 20 MB of other objects in some seconds', async () => {
    const config = `---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  text: |\n${'    some text that goes on\n'.repeat(8000)}`;
    const text = `${config.repeat(100)}---\n${plain}`;
    const { out, code } = await piped(['-f', '-'], text);
    expect(code).toBe(0);
    expect(out.startsWith(config.repeat(100))).toBe(true);
    expect(out).toContain('spillway-token');
  });
});

describe('spillway injector', () => {
  it('ends in order when asked to', async () => {
    const port = await freePort();
    const { child, text, ended } = startCli([
      'injector',
      '--listen',
      `127.0.0.1:${port}`,
      '--cert-dir',
      '/nonexistent',
    ]);
    await until(() => text.err.includes('listening on https://127.0.0.1'), 'it listens');
    await until(() => text.err.includes('the certificate cannot be read'), 'it says what is missing');
    child.kill('SIGHUP');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, signal: null });
  });

  it('says all that is wrong, and where it cannot listen', async () => {
    const wrong = await startCli(['injector', '--listen', 'x', '--secret', 'S']).ended;
    expect(wrong.code).toBe(2);
    for (const part of [
      '--listen',
      '--secret',
      '--service',
      '--webhook-configuration',
      'KUBERNETES_SERVICE_HOST',
    ])
      expect(wrong.err).toContain(part);
    const server = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const taken = await startCli(['injector', '--listen', `127.0.0.1:${port}`, '--cert-dir', '/']).ended;
    server.close();
    expect(taken.code).toBe(1);
    expect(taken.err).toMatch(/the port is in use/);
  });
});
