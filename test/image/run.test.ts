import { spawn } from 'node:child_process';
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
    const agent = start(script('setInterval(() => {}, 1000); console.log(process.pid)'));
    await until(() => agent.printed.out.includes('\n'), 'the agent runs');
    const guard = start([
      ...[...image.config.config.Entrypoint, ...image.config.config.Cmd],
      ...['--agent', `pid:${agent.printed.out.trim()}`, '--limit', '256Mi', '--listen', `127.0.0.1:${port}`],
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
