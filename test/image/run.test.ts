import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { freePort, until } from '../support/cli.ts';
import { type Image, inImage, LACKS_RUN, unpackImage } from '../support/image.ts';
import { describeWhere } from '../support/kernel.ts';

describeWhere('the image, run on a read-only root without rights', LACKS_RUN, () => {
  let image: Image;
  beforeAll(() => {
    image = unpackImage();
  }, 60_000);
  afterAll(() => image.remove());

  /** Starts a command in the image and collects what it prints. */
  function start(command: string[], options: Parameters<typeof inImage>[1] = {}) {
    const [first = '', ...rest] = [...inImage(image, options), ...command];
    const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const printed = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (data) => (printed.out += data));
    child.stderr.setEncoding('utf8').on('data', (data) => (printed.err += data));
    const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
      child.once('close', (code) => resolve({ code, ...printed })),
    );
    return { child, printed, ended };
  }
  const script = (text: string) => ['node', '-e', text];

  /** An agent of another image, as the same user without rights. */
  async function startAgent(text: string) {
    const child = spawn(
      'setpriv',
      ['--reuid=65532', '--regid=65532', '--clear-groups', '--no-new-privs', process.execPath, '-e', text],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    return child;
  }

  it.each([65532, 12345, 0])('should have the command `spillway` on its PATH, as uid %d', async (uid) => {
    const { code, out, err } = await start(['spillway', '--version'], { uid }).ended;
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('should let the doctor look and end by itself', async () => {
    const { code, out, err } = await start([
      'spillway',
      'doctor',
      '--json',
      '--agent',
      'match:no-such-program',
    ]).ended;
    expect({ code, err }).toEqual({ code: 1, err: '' });
    expect(JSON.parse(out)).toMatchObject({ canGuard: false });
  });

  it('should guard, answer, and end at SIGTERM, writing nothing', async () => {
    const port = await freePort();
    const agent = await startAgent('setInterval(() => {}, 1000); console.log("runs")');
    const guard = start([
      ...[...image.config.config.Entrypoint, ...image.config.config.Cmd],
      ...['--agent', `pid:${agent.pid}`, '--limit', '256Mi', '--listen', `127.0.0.1:${port}`],
    ]);
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    await until(
      () =>
        get('/readyz').then(
          (r) => r.ok,
          () => false,
        ),
      'it is ready',
    );
    expect(await (await get('/v1/status')).json()).toMatchObject({
      level: 'ok',
      blind: false,
      agent: { runtime: 'node' },
    });
    expect(await (await get('/metrics')).text()).toMatch(/^spillway_ready 1$/m);
    guard.child.kill('SIGTERM');
    expect((await guard.ended).code).toBe(0);
  });

  it('should keep environment, files and memory of the guardian from the agent, whose uid it has', async () => {
    const guard = start(
      [
        ...[...image.config.config.Entrypoint, ...image.config.config.Cmd],
        ...['--agent', `pid:${process.pid}`, '--limit', '256Mi', '--listen', `127.0.0.1:${await freePort()}`],
      ],
      { env: { SPILLWAY_WEBHOOK_URL: 'https://hooks.example/secret' } },
    );
    await until(() => guard.printed.err.includes('guarding pid'), 'it guards');
    const spy = await startAgent(`
      const { closeSync, openSync, readdirSync } = require('node:fs');
      const tried = (look) => { try { look(); return 'read'; } catch ({ code }) { return code; } };
      const looks = (pid) => ['environ', 'mem', 'root/opt/spillway/dist/spillway.js', 'fd'].map((name) =>
        tried(() => name === 'fd' ? readdirSync(\`/proc/\${pid}/fd\`) : closeSync(openSync(\`/proc/\${pid}/\${name}\`))));
      console.log('runs');
      process.stdin.on('data', (pid) => console.log(JSON.stringify(looks(pid.toString()))));
    `);
    const looksAt = async (pid: number | undefined) => {
      spy.stdin.write(String(pid));
      return JSON.parse(String((await once(spy.stdout, 'data'))[0]));
    };
    expect(await looksAt(spy.pid)).toEqual(['read', 'read', 'ENOENT', 'read']);
    expect(await looksAt(guard.child.pid)).toEqual(['EACCES', 'EACCES', 'EACCES', 'EACCES']);
  });

  it('should have certificates and names of its own to reach a webhook by', async () => {
    const look =
      'const { rootCertificates } = require("tls"); require("dns").lookup("alias.example", (error, address) => console.log(rootCertificates.length > 100, error?.code, address))';
    expect((await start(script(look)).ended).out).toBe('true undefined 192.0.2.7\n');
  });

  it('should be unable to write anywhere', async () => {
    const write =
      'const fs = require("fs"); for (const d of ["/", "/tmp", "/opt/spillway"]) try { fs.writeFileSync(d + "/x", ""); console.log(d) } catch (e) { console.log(e.code) }';
    expect((await start(script(write), { uid: 0 }).ended).out).toBe('EROFS\nEROFS\nEROFS\n');
  });
});
