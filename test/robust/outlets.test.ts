import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { type CliOptions, pressAndRelease, startTidal, watchSampling } from '../support/cli.ts';

const directory = mkdtempSync(join(tmpdir(), 'spillway-outlets-'));
afterAll(() => rmSync(directory, { recursive: true }));

const fifo = join(directory, 'fifo');
spawnSync('mkfifo', [fifo]);
/** Runs the rest of the words as a command, after what the script does to the streams. */
const shell = (script: string): CliOptions => ({ prefix: ['sh', '-c', `${script}; exec "$@"`, 'sh'] });

/** A web server that takes connections and never says anything. */
async function silentServer(): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on('error', () => {}))).listen(
    0,
    '127.0.0.1',
  );
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('outlets that take nothing', () => {
  it.each([
    ['standard error closed', async () => ({ options: shell('exec 2>&-') })],
    ['standard output closed', async () => ({ options: shell('exec >&-') })],
    ['all standard streams closed', async () => ({ options: shell('exec <&- >&- 2>&-') })],
    ['standard error on a full disk', async () => ({ options: shell('exec 2>/dev/full') })],
    [
      'standard error on a pipe without a reader',
      async () => ({ options: shell(`exec 9<>${fifo} 2>${fifo} 9>&-`) }),
    ],
    // the pipe is full before the guardian writes its first line, and open for reading by one who never does
    [
      'standard error on a full pipe',
      async () => ({ options: shell(`exec 9<>${fifo}; head -c 65536 /dev/zero >&9; exec 2>${fifo}`) }),
    ],
    [
      'a webhook that never answers',
      async () => ({ args: ['--webhook-url', `http://127.0.0.1:${await silentServer()}/`] }),
    ],
    ['a webhook that nobody serves', async () => ({ args: ['--webhook-url', 'http://127.0.0.1:9/'] })],
  ] as [
    string,
    () => Promise<{ args?: string[]; options?: CliOptions }>,
  ][])('should delay neither sampling nor answers nor the end: %s', async (_, make) => {
    const { args = [], options = {} } = await make();
    const guardian = await startTidal(args, options);
    const measured = await watchSampling(guardian);
    await pressAndRelease(guardian);
    expect((await measured()).p99Ms).toBeLessThanOrEqual(200);
    const asked = performance.now();
    guardian.child.kill('SIGTERM');
    const { code, err } = await guardian.ended;
    expect(code).toBe(143);
    expect(performance.now() - asked).toBeLessThan(6000);
    if (args.length > 0) expect(err).toMatch(/webhook: \d+ events were not delivered/);
  });
});
