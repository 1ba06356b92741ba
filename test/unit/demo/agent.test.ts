import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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
  agent = spawn(process.execPath, [outfile], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(agent.stdout ?? agent, 'data');
  url = /http:\S+/.exec(String(line))?.[0] ?? '';
});
afterAll(async () => {
  agent.kill();
  await once(agent, 'exit');
  rmSync(dir, { recursive: true });
});

const chat = (body: string) => fetch(`${url}/chat`, { method: 'POST', body });
const say = (session: string) => chat(JSON.stringify({ session, message: 'hello' }));
const tokens = async (response: Promise<Response>) => {
  const { answer } = (await (await response).json()) as { answer: string };
  return Number(/some (\d+) tokens/.exec(answer)?.[1]);
};

describe('the agent of the demo', () => {
  it('sends more to the model with each turn, until the user leaves', async () => {
    const first = await tokens(say('a'));
    expect(await tokens(say('a'))).toBeGreaterThan(1.8 * first);
    expect((await fetch(`${url}/chat/a`, { method: 'DELETE' })).status).toBe(204);
    expect(await tokens(say('a'))).toBeLessThan(1.2 * first);
  });

  it('refuses what it does not understand, and lives on', async () => {
    expect((await chat('{')).status).toBe(400);
    expect((await chat('{"session":1}')).status).toBe(400);
    expect((await chat(`"${'x'.repeat(200_000)}"`)).status).toBe(400);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    expect((await say('b')).status).toBe(200);
  });
});

describe('the users of the demo', () => {
  it('come while the service is ready, leave but for two when it is not, and stop when all is over', async () => {
    const over = new AbortController();
    const users = new Users(url, over.signal);
    for (let i = 0; i < 6; i++) users.arrive();
    expect(users.active).toBe(6);
    await sleep(1000);
    expect(users.served).toBeGreaterThan(5);
    users.ready = false;
    users.arrive();
    expect(users.active).toBeLessThanOrEqual(6);
    while (users.active > 2) await sleep(50);
    await sleep(1000);
    expect(users.active).toBe(2);
    over.abort();
    while (users.active > 0) await sleep(10);
    expect(users.broken).toBe(0);
  });
});
