import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { freePort, MIB, until } from '../support/cli.ts';
import { type Image, inImage, LACKS_RUN, unpackImage } from '../support/image.ts';
import { agent, describeWhere, LACKS, makeGroup, VERSION } from '../support/kernel.ts';

const UID = 65532;
/**
 * The limit of the sidecar in the chart. Of it, 23–26 MiB are the guardian's own at rest and 39 after floods of requests; the
 * rest are pages of Node's code, which the kernel drops and reads again where there is no room for them.
 */
const RECOMMENDED_MIB = 128;
/**
 * Where it still does its work: collecting and profiling as fast as ever. Measured with Node 24.21: 96 MiB withstand a flood
 * too, 80 thrash when a profile is read, 72 begin to at rest, 56 never answer.
 */
const SMALLEST_MIB = 96;
/** Median time of an answer of `/readyz`, in milliseconds; measured 1.5–3.1. */
const GOOD_MS = 10;

/** The worst case: no memory holds the image's files yet, so that all their pages are charged to who runs it. */
function forget({ root, entries }: Image): void {
  for (const { path, bytes, mode } of entries)
    if (mode.startsWith('-') && bytes > 100_000) {
      execFileSync('sync', [join(root, path)]);
      execFileSync('dd', [`if=${join(root, path)}`, 'iflag=nocache', 'count=0', 'status=none']);
    }
}

const kills = (directory: string) =>
  Number(
    /oom_kill (\d+)/.exec(
      readFileSync(join(directory, VERSION === 1 ? 'memory.oom_control' : 'memory.events'), 'utf8'),
    )?.[1],
  );

const median = (values: number[]) =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

describeWhere('the image in a memory cgroup of its own', LACKS_RUN ?? LACKS, () => {
  let image: Image;
  beforeAll(() => {
    image = unpackImage();
  }, 60_000);
  afterAll(() => image.remove());

  /** Starts a guardian in the image beside an agent, both under limits of their own. */
  async function guardian(limitMiB: number) {
    forget(image);
    const [port, adminPort] = [await freePort(), await freePort()];
    const agentGroup = makeGroup({ limitBytes: 512 * MIB });
    const asUser = ['setpriv', '--reuid', `${UID}`, '--regid', `${UID}`, '--clear-groups'];
    const [node = '', ...script] = agent('garbage-sessions', '--seconds', 60);
    const [first = '', ...rest] = [...agentGroup.enter, ...asUser, node, '--inspect-port=0', ...script];
    const busy = spawn(first, rest, { stdio: 'ignore' });
    onTestFinished(() => void busy.kill('SIGKILL'));
    await sleep(1000); // it is not collected from before it is through its start
    const group = makeGroup({ limitBytes: limitMiB * MIB });
    const options = [
      '--agent',
      `pid:${busy.pid}`,
      '--listen',
      `127.0.0.1:${port}`,
      '--admin-listen',
      `127.0.0.1:${adminPort}`,
      // the pods of a cluster on this machine are other users, whose networks cannot be told
      '--gc',
      'on-shared-host',
    ];
    const [command = '', ...args] = [
      ...group.enter,
      ...inImage(image, { uid: UID }),
      'spillway',
      'guard',
      ...options,
    ];
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const get = (path: string, init?: RequestInit) =>
      fetch(`http://127.0.0.1:${port}${path}`, { ...init, signal: AbortSignal.timeout(5000) });
    await until(
      () =>
        get('/readyz').then(
          () => true,
          () => false,
        ),
      'it answers',
      20_000,
    );
    const post = (path: string) =>
      fetch(`http://127.0.0.1:${adminPort}${path}`, { method: 'POST', signal: AbortSignal.timeout(20_000) });
    /** Median time of an answer of `/readyz`, in milliseconds. */
    const readyMs = async (seconds = 3) => {
      const times: number[] = [];
      for (const end = performance.now() + seconds * 1000; performance.now() < end; await sleep(20)) {
        const asked = performance.now();
        await get('/readyz').then(
          (answer) => answer.text(),
          () => {},
        );
        times.push(performance.now() - asked);
      }
      return median(times);
    };
    return { port, group, post, readyMs, kills: () => kills(group.directory) };
  }
  /** Collects and profiles while readiness is asked for. */
  async function whileAtWork({ post, readyMs }: Awaited<ReturnType<typeof guardian>>) {
    const answering = readyMs(4);
    // one at a time, and not of an agent that is still in its start
    for (const path of ['/v1/profile?seconds=1', '/v1/gc'])
      await until(async () => (await post(path)).status === 200, path, 20_000);
    return answering;
  }

  it(`of ${SMALLEST_MIB} MiB should answer at rest and at work`, async () => {
    const small = await guardian(SMALLEST_MIB);
    expect(await small.readyMs()).toBeLessThan(GOOD_MS);
    expect(await whileAtWork(small)).toBeLessThan(GOOD_MS);
    expect(small.group.usedBytes(), 'the pages of Node are charged to it').toBeGreaterThan(60 * MIB);
    expect(small.kills()).toBe(0);
  });

  it.skipIf(spawnSync('wrk', ['--version']).error)(
    `of ${RECOMMENDED_MIB} MiB should withstand floods of requests, and its own work (needs wrk)`,
    async () => {
      const recommended = await guardian(RECOMMENDED_MIB);
      expect(await whileAtWork(recommended)).toBeLessThan(GOOD_MS);
      for (const path of ['/readyz', '/metrics', '/v1/history', '/v1/status']) {
        const url = `http://127.0.0.1:${recommended.port}${path}`;
        await promisify(execFile)('wrk', ['-t1', '-c64', '-d4s', url]);
        expect(await recommended.readyMs(1), `after a flood of ${path}`).toBeLessThan(GOOD_MS);
      }
      expect(await whileAtWork(recommended)).toBeLessThan(GOOD_MS);
      expect(recommended.kills()).toBe(0);
    },
  );
});
