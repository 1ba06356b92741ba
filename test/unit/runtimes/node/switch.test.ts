import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { describeError } from '../../../../src/core/lib/errors.ts';
import { createHeapProfile } from '../../../../src/runtimes/node/heap-profile.ts';
import { goldenLines } from '../../../support/golden.ts';
import {
  agentFile,
  clientOf,
  lives,
  NO_SIGNALS,
  NODES,
  portsOf,
  startNode,
} from '../../../support/node-matrix.ts';
import { start, until } from '../../../support/started.ts';

const support = (file: string) => fileURLToPath(new URL(`../../../support/agents/${file}`, import.meta.url));
const said = goldenLines('switch');
const SWITCH_MS = 1000;
const FREE = '--inspect-port=0';
const folder = mkdtempSync(join(tmpdir(), 'node-switch-'));
const guardianFile = join(folder, 'guardian.mjs');

beforeAll(async () => {
  await build({
    entryPoints: [support('node-guardian.ts')],
    outfile: guardianFile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A guardian that holds the inspector of a process open. */
async function guardian(pid: number) {
  const started = await start(process.execPath, [guardianFile, String(pid), String(SWITCH_MS)], {
    awaitOutput: true,
  });
  onTestFinished(started.kill);
  return started;
}

describe.each(NODES)('the dead man’s switch, $version', ({ bin }) => {
  it('closes the inspector of a guardian that was killed, not before', async () => {
    const agent = await startNode(bin, [FREE, agentFile('mjs')]);
    const { kill } = await guardian(agent.pid);
    await new Promise((resolve) => setTimeout(resolve, 2 * SWITCH_MS));
    expect(portsOf(agent.pid)).toHaveLength(1);
    kill();
    const killedMs = performance.now();
    await until(() => portsOf(agent.pid).length === 0);
    expect(performance.now() - killedMs).toBeLessThan(2 * SWITCH_MS);
    expect(lives(agent.pid)).toBe(true);
  });

  it('throws no debugger out, and closes when that one has left', async () => {
    const agent = await startNode(bin, [FREE, agentFile('cjs')]);
    const holder = await guardian(agent.pid);
    const port = String(portsOf(agent.pid)[0]);
    const user = await start(process.execPath, [support('node-debugger.mjs'), port], { awaitOutput: true });
    onTestFinished(user.kill);
    holder.kill();
    await new Promise((resolve) => setTimeout(resolve, 3 * SWITCH_MS));
    expect(user.output()).toBe('attached\n');
    user.kill();
    await until(() => portsOf(agent.pid).length === 0);
  });

  it('keeps nothing of what is logged meanwhile for long', async () => {
    const program = `
      console.log('ready');
      const logged = [];
      let longest = 0;
      setInterval(() => {
        const object = { atMs: Date.now() };
        console.error(object);
        logged.push({ atMs: object.atMs, held: new WeakRef(object) });
        setImmediate(() => {
          gc();
          while (logged[0] && !logged[0].held.deref()) logged.shift();
          longest = Math.max(longest, Date.now() - (logged[0]?.atMs ?? Date.now()));
          console.log('longest', longest);
        });
      }, 20);`;
    const agent = await startNode(bin, [FREE, '--expose-gc', '-e', program]);
    const client = clientOf(agent.pid);
    await client.facts();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(Number(agent.output().trim().split(' ').at(-1))).toBeLessThan(600);
  });

  it('lets workers go of what they log while they are sampled', async () => {
    const program = `
      const { Worker } = require('node:worker_threads');
      new Worker("setInterval(() => console.error({ big: new Array(100_000).fill(1) }), 10)", { eval: true });
      console.log('ready');`;
    const agent = await startNode(bin, [FREE, '-e', program]);
    const client = clientOf(agent.pid, { profiler: (main, workers) => createHeapProfile(main, { workers }) });
    await client.startProfile?.();
    await new Promise((resolve) => setTimeout(resolve, 3500));
    const { after } = await client.collect('fast');
    expect((after?.usedBytes ?? 0) / 2 ** 20).toBeLessThan(110);
  });

  it('hangs elsewhere where the global object is frozen', async () => {
    const program =
      'setImmediate(() => { Object.freeze(globalThis); console.log("ready"); }); setInterval(() => console.log(Reflect.ownKeys(process).includes(Symbol.for("spillway.inspector"))), 50)';
    const agent = await startNode(bin, [FREE, '-e', program]);
    const { kill } = await guardian(agent.pid);
    await until(() => agent.output().includes('true'));
    kill();
    await until(() => portsOf(agent.pid).length === 0);
    await until(() => agent.output().trimEnd().endsWith('false'));
    expect(lives(agent.pid)).toBe(true);
  });

  it('is missed by no inspector: where it cannot hang anywhere, nothing is asked and the inspector is closed', async () => {
    const program =
      'setImmediate(() => { [globalThis, process].forEach(Object.preventExtensions); console.log("ready"); }); setInterval(() => {}, 1000)';
    const agent = await startNode(bin, [FREE, '-e', program]);
    const client = clientOf(agent.pid);
    const error = await client.facts().catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'refused', retryable: false });
    said('frozen', describeError(error), { PID: agent.pid });
    await client.release();
    await until(() => portsOf(agent.pid).length === 0);
  });

  it('outlasts a block longer than its time', async () => {
    const agent = await startNode(bin, [FREE, agentFile('cjs'), 'block=execSync']);
    const client = clientOf(agent.pid, { timeouts: { switchMs: 600 } });
    await client.facts();
    const [port] = portsOf(agent.pid);
    process.kill(agent.pid, 'SIGUSR2');
    await until(() => agent.output().includes('done'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(portsOf(agent.pid)).toEqual([port]);
  });

  it('passes to the next guardian', async () => {
    const agent = await startNode(bin, [FREE, agentFile('cjs')]);
    (await guardian(agent.pid)).kill();
    const client = clientOf(agent.pid, { signals: NO_SIGNALS });
    await client.facts();
    await client.release();
    expect(portsOf(agent.pid)).toEqual([]);
  });

  it('keeps no program from its end, and leaves no global', async () => {
    const program = `
      const known = Reflect.ownKeys(globalThis).length;
      console.log('ready');
      let held = 0;
      const timer = setInterval(() => {
        const now = Reflect.ownKeys(globalThis).length - known;
        if (now > held) held = now;
        if (held > 0 && now === 0) { clearInterval(timer); console.log('held', held, 'left', now, Object.keys(globalThis).includes('gc')); }
      }, 20);`;
    const agent = await startNode(bin, [FREE, '-e', program]);
    const client = clientOf(agent.pid);
    await client.collect('fast');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await client.release();
    await until(() => agent.child.exitCode === 0);
    expect(agent.output()).toContain('held 1 left 0 false');
  });
});
