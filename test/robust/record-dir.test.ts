import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import type { PostMortem } from '../../src/core/report/post-mortem.ts';
import { type GuardianProcess, startGuardian, until } from '../support/cli.ts';
import { start } from '../support/started.ts';

const directory = mkdtempSync(join(tmpdir(), 'spillway-record-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let made = 0;
const newDir = () => {
  const dir = join(directory, String(++made));
  mkdirSync(dir);
  return dir;
};

const reports = async (guardian: GuardianProcess) =>
  (await (await guardian.get('/v1/post-mortems')).json()) as PostMortem[];
const guard = (dir: string, marker: string) =>
  startGuardian('guard', ['--agent', `match:${marker}`, '--record-dir', dir]);

/** Lets an agent live until it is guarded and then end, so often. */
async function die(guardian: GuardianProcess, marker: string, times = 1): Promise<void> {
  for (let i = 0; i < times; i++) {
    const before = guardian.events().filter((event) => event === 'AgentExited').length;
    const agent = await start('sleep', ['60'], { argv0: marker });
    await until(async () => (await guardian.status()).agent?.pid === agent.pid, 'it is guarded');
    agent.kill();
    await until(
      () => guardian.events().filter((event) => event === 'AgentExited').length > before,
      'its end is told',
    );
  }
}

describe('a record-dir in trouble', () => {
  it.each([
    '/dev/null/reports',
    '/proc/reports',
  ])('should cost a warning and no report in memory: %s', async (dir) => {
    const marker = `spillway-test-agent-${++made}`;
    const guardian = await guard(dir, marker);
    await die(guardian, marker, 2);
    expect(await reports(guardian)).toHaveLength(2);
    expect(guardian.text.err).toMatch(/record-dir: .*(ENOTDIR|ENOENT)/);
    expect(guardian.text.err).not.toContain('unexpected:');
  });

  it('should keep nothing half-written on a full disk, and write again when there is room', async (context) => {
    const dir = newDir();
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', dir]).status !== 0)
      return context.skip('a tmpfs cannot be mounted here');
    onTestFinished(() => void spawnSync('umount', [dir]));
    const filler = join(dir, 'filler');
    writeFileSync(filler, Buffer.alloc(64 * 1024));
    const marker = `spillway-test-agent-${++made}`;
    const guardian = await guard(dir, marker);
    await die(guardian, marker);
    await until(() => /record-dir: .*ENOSPC/.test(guardian.text.err), 'it says so');
    expect(await reports(guardian)).toHaveLength(1);
    expect(readdirSync(dir)).toEqual(['filler']);
    rmSync(filler);
    await die(guardian, marker);
    await until(() => readdirSync(dir).some((name) => name.endsWith('.json')), 'the next one is written');
  });

  it('should pass over corrupt files, leave them as they are and name them', async () => {
    const dir = newDir();
    const name = (n: number) => join(dir, `post-mortem-2026-01-0${n}T00-00-00.000Z-1.json`);
    const contents = [
      '',
      '{"id":',
      '[]',
      'null',
      '{"id":1,"at":2}',
      '\0'.repeat(1000),
      `"${'x'.repeat(5 << 20)}"`,
    ];
    for (const [i, content] of contents.entries()) writeFileSync(name(i + 1), content);
    mkdirSync(name(8));
    writeFileSync(join(dir, 'flight.json'), '{"id":"x","at"');
    writeFileSync(join(dir, 'post-mortem-2026-01-01T00-00-00.000Z-1.json.tmp'), '{');
    const before = readdirSync(dir);
    const marker = `spillway-test-agent-${++made}`;
    const guardian = await guard(dir, marker);
    expect(await reports(guardian)).toEqual([]);
    await die(guardian, marker);
    await until(() => readdirSync(dir).length >= before.length, 'the report is written');
    for (const [i, content] of contents.entries()) expect(readFileSync(name(i + 1), 'utf8')).toBe(content);
    expect(guardian.text.err.match(/cannot be read and stays unchanged/g)?.length).toBeGreaterThanOrEqual(8);
    expect(await reports(guardian)).toHaveLength(1);
  });
});

describe('a record-dir over restarts of the guardian', () => {
  it('should serve the last 10 after a kill -9, the newest first, and keep as many files', async () => {
    const dir = newDir();
    const marker = `spillway-test-agent-${++made}`;
    const first = await guard(dir, marker);
    await die(first, marker, 12);
    const told = await reports(first);
    expect(told).toHaveLength(10);
    const files = () => readdirSync(dir).filter((file) => file.endsWith('.json'));
    await until(() => files().length === 10 && readdirSync(dir).length === 10, 'all are written');
    first.child.kill('SIGKILL');
    await first.ended;
    const second = await guard(dir, marker);
    await until(async () => (await reports(second)).length === 10, 'the reports are loaded');
    expect(await reports(second)).toEqual(told);
    await die(second, marker);
    expect((await reports(second)).slice(1)).toEqual(told.slice(0, 9));
    await until(() => files().length === 10, 'the oldest file is gone');
  });

  it('should lose at the start what an earlier guardian did not come to finish', async () => {
    const dir = newDir();
    for (const name of ['heap-1.heapsnapshot.tmp', 'profile-1.heapprofile.tmp', 'heap-0.heapsnapshot'])
      writeFileSync(join(dir, name), '{');
    await guard(dir, `spillway-test-agent-${++made}`);
    expect(readdirSync(dir)).toEqual(['heap-0.heapsnapshot']);
  });
});
