import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { agentFile, lives, NODES, portsOf, reachOf, startNode } from '../../support/node-matrix.ts';
import { start, until } from '../../support/started.ts';

const support = (file: string) => fileURLToPath(new URL(`../../support/agents/${file}`, import.meta.url));
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

  it('passes to the next guardian', async () => {
    const agent = await startNode(bin, [FREE, agentFile('cjs')]);
    (await guardian(agent.pid)).kill();
    const reach = reachOf(agent.pid, { mayOpen: false });
    await reach.facts();
    await reach.release();
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
    const reach = reachOf(agent.pid);
    await reach.collect('quick');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await reach.release();
    await until(() => agent.child.exitCode === 0);
    expect(agent.output()).toContain('held 1 left 0 false');
  });
});
