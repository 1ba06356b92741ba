import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Users } from '../../../src/demo/users.ts';

let dir: string;
let agent: ChildProcess;
let url: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'spillway-demo-test-'));
  const outfile = join(dir, 'agent.mjs');
  await build({ entryPoints: ['src/demo/agent.ts'], outfile, bundle: true, platform: 'node', format: 'esm' });
  agent = spawn(process.execPath, [outfile], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, MODEL_MS: '50' },
  });
  const [line] = await once(agent.stdout ?? agent, 'data');
  url = /http:\S+/.exec(String(line))?.[0] ?? '';
});
afterAll(async () => {
  agent.kill();
  await once(agent, 'exit');
  rmSync(dir, { recursive: true });
});

const chat = (body: string) => fetch(`${url}/chat`, { method: 'POST', body });
const say = (session: string, turn = 0) => chat(JSON.stringify({ session, turn, message: 'read 30 kB' }));
const tokens = async (response: Promise<Response>) => {
  const { answer } = (await (await response).json()) as { answer: string };
  return Number(/some (\d+) tokens/.exec(answer)?.[1]);
};

describe('the agent of the demo', () => {
  it('sends more to the model with each turn, until the user leaves', async () => {
    const first = await tokens(say('a'));
    expect(await tokens(say('a', 1))).toBeGreaterThan(1.8 * first);
    expect((await fetch(`${url}/chat/a`, { method: 'DELETE' })).status).toBe(204);
    expect(await tokens(say('a'))).toBeLessThan(1.2 * first);
  });

  it('has no conversation that it did not see from its beginning', async () => {
    expect((await say('c', 1)).status).toBe(409);
    expect((await say('c')).status).toBe(200);
    expect((await say('c', 1)).status).toBe(200);
  });

  it('refuses what it does not understand, and lives on', async () => {
    expect((await chat('{')).status).toBe(400);
    expect((await chat('{"session":1}')).status).toBe(400);
    expect((await chat(`"${'x'.repeat(200_000)}"`)).status).toBe(400);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await say('b')).status).toBe(200);
  });
});

describe('the users of the demo', () => {
  const conversation = (atMs: number) => ({ atMs, turns: Array(2).fill({ kilobytes: 30, thinkMs: 20 }) });
  const counts = ({ served, failed, completed, lost, elsewhere }: Users) => ({
    served,
    failed,
    completed,
    lost,
    elsewhere,
  });

  it('come while the agent is ready; those inside stay when it is not, new ones go elsewhere', async () => {
    const users = new Users(url, new AbortController().signal);
    const inside = users.play(Array(6).fill(conversation(0)));
    await expect.poll(() => users.active, { interval: 5 }).toBe(6);
    users.probed(false);
    await users.play([conversation(0)]);
    await inside;
    expect(users.active).toBe(0);
    expect(counts(users)).toEqual({ served: 12, failed: 0, completed: 6, lost: 0, elsewhere: 1 });
  });

  it('lose the conversation with the first question that gets no answer', async () => {
    const users = new Users('http://127.0.0.1:9', new AbortController().signal);
    await users.play([conversation(0)]);
    expect(counts(users)).toEqual({ served: 0, failed: 1, completed: 0, lost: 1, elsewhere: 0 });
  });

  it('stop when all is over', async () => {
    const over = new AbortController();
    const users = new Users(url, over.signal);
    const done = users.play([conversation(0), conversation(60_000)]);
    await expect.poll(() => users.active, { interval: 5 }).toBe(1);
    over.abort();
    await done;
    expect(counts(users)).toEqual({ served: 0, failed: 0, completed: 0, lost: 0, elsewhere: 0 });
  });
});
