import { readdirSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { isAlive, MIB, until } from '../support/cli.ts';
import { agentOn, FREE, startGuarded, TWO_NODES } from '../support/guarded.ts';
import { portsOf } from '../support/node-matrix.ts';
import { recordDirectory } from '../support/probes.ts';

/** Its memory is not short: all that is done is asked for. */
const LIMIT = ['--limit', '1Gi'];

/** A Node agent with this much garbage, old enough for a signal. */
async function startAgent(bin: string, options: string[] = []) {
  const command = agentOn(bin, [FREE], 'node-agent', 'garbage=60');
  const guarded = await startGuarded('run', [...LIMIT, ...options, '--', ...command]);
  await until(() => guarded.text.out.includes('ready'), 'the agent is up');
  await sleep(1200);
  return guarded;
}

describe.each(TWO_NODES)('what is asked for by POST, Node $version', ({ bin }) => {
  it('should be a collection, one at a time, that tells what it brought', async () => {
    const guarded = await startAgent(bin);
    const pid = await guarded.agentPid();
    process.kill(pid, 'SIGWINCH');
    await until(() => guarded.text.out.includes('dropped'), 'it has let go of its memory');
    const answers = await Promise.all([guarded.post('/v1/gc'), guarded.post('/v1/gc')]);
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses, JSON.stringify(answers.map(({ body }) => body))).toEqual([200, 409]);
    const [done, busy] = answers.sort((a, b) => a.status - b.status);
    expect(done?.body).toMatchObject({ verdict: 'freed', trigger: 'request' });
    expect(done?.body['freedBytes']).toBeGreaterThan(30 * MIB);
    expect(busy?.body).toMatchObject({ error: { code: 'busy' } });
    expect(busy?.headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await guarded.status()).lastGc).toEqual(done?.body);
    await until(() => portsOf(pid).length === 0, 'its inspector is closed again', 20_000);
    expect(isAlive(pid)).toBe(true);
  });

  it('should be a profile and a snapshot, in files that their tools open', async () => {
    const directory = recordDirectory();
    const guarded = await startAgent(bin, ['--record-dir', directory]);
    const profile = await guarded.post('/v1/profile?seconds=1');
    expect(profile.status, JSON.stringify(profile.body)).toBe(200);
    expect(profile.body['sampledMs']).toBeGreaterThanOrEqual(1000);
    expect(profile.body['sampledMs']).toBeLessThan(5000);
    const heapProfile = JSON.parse(readFileSync(String(profile.body['file']), 'utf8')) as object;
    expect(Object.keys(heapProfile).sort()).toEqual(['head', 'samples']);

    const snapshot = await guarded.post('/v1/snapshot');
    expect(snapshot.status, JSON.stringify(snapshot.body)).toBe(200);
    const file = String(snapshot.body['file']);
    expect(file).toMatch(/heap-.*\.heapsnapshot$/);
    expect(statSync(file).size).toBe(snapshot.body['bytes']);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { nodes, strings } = JSON.parse(readFileSync(file, 'utf8')) as {
      nodes: number[];
      strings: string[];
    };
    expect(nodes.length).toBeGreaterThan(10_000);
    expect(strings).toContain('SIGWINCH');
    expect(isAlive(await guarded.agentPid())).toBe(true);
  });
});

describe('what is asked for by POST and cannot be done', () => {
  it('should be refused with the reason: no room for a snapshot, and nothing left of it', async () => {
    const directory = recordDirectory();
    const command = agentOn(process.execPath, [FREE], 'node-agent', 'garbage=60');
    const guarded = await startGuarded('run', [
      '--limit',
      '256Mi',
      '--record-dir',
      directory,
      '--',
      ...command,
    ]);
    await until(() => guarded.text.out.includes('ready'), 'the agent is up');
    await sleep(1000);
    const { status, body } = await guarded.post('/v1/snapshot');
    expect(status).toBe(503);
    expect(body).toMatchObject({ error: { code: 'unavailable' } });
    expect(JSON.stringify(body)).toMatch(
      /a snapshot of a heap of [\d.]+ MiB may take [\d.]+ MiB in all; the limit is 256 MiB/,
    );
    expect(readdirSync(directory).filter((name) => name.includes('heap'))).toEqual([]);
    expect(isAlive(await guarded.agentPid())).toBe(true);
  });

  it('should be refused with the reason: nowhere to keep a snapshot', async () => {
    const guarded = await startGuarded('run', [...LIMIT, '--', ...agentOn(process.execPath, [FREE], 'leak')]);
    const { status, body } = await guarded.post('/v1/snapshot');
    expect(status).toBe(503);
    expect(JSON.stringify(body)).toContain('set --record-dir');
  });

  it.each(['/v1/gc', '/v1/profile', '/v1/snapshot'])('should be refused for a shell: %s', async (path) => {
    const script = 'while :; do sleep 1; done';
    const guarded = await startGuarded('run', ['--record-dir', recordDirectory(), '--', 'sh', '-c', script]);
    await sleep(1000);
    const { status, body, headers } = await guarded.post(path);
    expect(status).toBe(503);
    expect(JSON.stringify(body)).toContain('no supported runtime');
    expect(headers.get('retry-after')).toMatch(/^\d+$/);
    expect(isAlive(await guarded.agentPid())).toBe(true);
  });
});
