import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SpillwayError } from '../../../src/core/lib/errors.ts';
import type { PostMortem } from '../../../src/core/report/post-mortem.ts';
import {
  createPostMortemStore,
  type PostMortemStoreOptions,
} from '../../../src/exporters/post-mortem-store.ts';

let dir: string;
let problems: SpillwayError[];
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'spillway-recorder-')), 'deep', 'records');
  problems = [];
});
afterEach(() => rmSync(join(dir, '..', '..'), { recursive: true, force: true }));

const recorder = (options: Partial<PostMortemStoreOptions> = {}) =>
  createPostMortemStore({ dir, onProblem: (error) => problems.push(error), ...options });

const report = (n: number): PostMortem => ({
  id: `id-${n}`,
  at: new Date(Date.UTC(2026, 0, 2, 3, 4, n)).toISOString(),
  cause: 'oom-killed',
  reason: `death ${n}`,
  exitCode: null,
  signal: 'SIGKILL',
  oomKills: 1,
  agent: { pid: 100 + n, name: 'agent', runtime: 'node', restarts: 0 },
  status: { ratio: 0.97, limitBytes: 512 * 1024 * 1024 } as PostMortem['status'],
  readings: [],
  transitions: [],
  processes: [],
  guardianVersion: '1.2.3',
});
const files = () => (existsSync(dir) ? readdirSync(dir).sort() : []);
const ids = (reports: readonly PostMortem[]) => reports.map(({ id }) => id);
const FLIGHT = () => join(dir, 'flight.json');

describe('recorder: reports', () => {
  it('keeps them in memory alone without a directory', async () => {
    const memory = recorder({ dir: undefined });
    expect(await memory.open()).toBeUndefined();
    memory.record(report(1));
    memory.record(report(2));
    memory.flight(() => expect.unreachable());
    await memory.close(100);
    expect(ids(memory.list())).toEqual(['id-2', 'id-1']);
  });

  it('writes one file each, for the owner alone, in a directory it makes', async () => {
    const first = recorder();
    first.record(report(1));
    expect(ids(first.list())).toEqual(['id-1']);
    await first.close(5000);
    expect(files()).toEqual(['post-mortem-2026-01-02T03-04-01.000Z-101.json']);
    const path = join(dir, files()[0] ?? '');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(report(1));
    expect(problems).toEqual([]);
  });

  it('serves them again after a restart, newest first', async () => {
    const before = recorder();
    for (const n of [1, 2, 3]) before.record(report(n));
    await before.close(5000);
    const after = recorder();
    expect(await after.open()).toBeUndefined();
    expect(after.list()).toEqual([report(3), report(2), report(1)]);
  });

  it('keeps the last ten, in memory and on disk, over restarts, and touches no other file', async () => {
    mkdirSync(dir, { recursive: true });
    const foreign = ['notes.txt', 'post-mortem-of-mine.json', 'post-mortem-2026-01-02T03-04-01.000Z-x.json'];
    for (const name of foreign) writeFileSync(join(dir, name), 'mine');
    const before = recorder();
    await before.open();
    for (let n = 0; n < 8; n++) before.record(report(n));
    await before.close(5000);
    const after = recorder();
    await after.open();
    for (let n = 8; n < 14; n++) after.record(report(n));
    await after.close(5000);
    expect(ids(after.list())).toEqual([13, 12, 11, 10, 9, 8, 7, 6, 5, 4].map((n) => `id-${n}`));
    expect(files().filter((name) => !foreign.includes(name))).toHaveLength(10);
    expect(files()).toEqual(expect.arrayContaining(foreign));
    expect(files()).not.toContain('post-mortem-2026-01-02T03-04-03.000Z-103.json');
    expect(problems).toEqual([]);
  });

  it('skips what it cannot read, says so, and leaves it', async () => {
    mkdirSync(dir, { recursive: true });
    const bad = {
      'post-mortem-2026-01-02T03-04-01.000Z-1.json': '{"id": "cut o',
      'post-mortem-2026-01-02T03-04-02.000Z-2.json': '"not a report"',
      'post-mortem-2026-01-02T03-04-03.000Z-3.json': 'x'.repeat(4 * 1024 * 1024 + 1),
      'post-mortem-2026-01-02T03-04-04.000Z-4.json': '{"id":1}',
    };
    for (const [name, text] of Object.entries(bad)) writeFileSync(join(dir, name), text);
    mkdirSync(join(dir, 'post-mortem-2026-01-02T03-04-05.000Z-5.json'));
    const some = recorder({ keep: 1 });
    await some.open();
    expect(some.list()).toEqual([]);
    expect(problems).toHaveLength(5);
    for (const problem of problems) expect(problem).toMatchObject({ code: 'record' });
    expect(problems[0]?.message).toContain('post-mortem-2026-01-02T03-04-01.000Z-1.json');
    some.record(report(20));
    some.record(report(21));
    await some.close(5000);
    expect(files()).toHaveLength(6);
  });

  it('tells a directory that cannot be used once, never throws, and still serves from memory', async () => {
    mkdirSync(join(dir, '..'), { recursive: true });
    writeFileSync(dir, 'a file where the directory should be');
    const stuck = recorder();
    expect(await stuck.open()).toBeUndefined();
    for (let n = 0; n < 5; n++) stuck.record(report(n));
    stuck.flight(() => report(9));
    await stuck.close(5000);
    expect(problems).toHaveLength(1);
    expect(stuck.list()).toHaveLength(5);
    rmSync(dir);
    stuck.record(report(6));
    await stuck.close(5000);
    expect(files()).toContain('post-mortem-2026-01-02T03-04-06.000Z-106.json');
  });

  it.skipIf(process.getuid?.() === 0)('tells a directory it may not write at the start', async () => {
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, 0o500);
    await recorder().open();
    expect(problems).toHaveLength(1);
    chmodSync(dir, 0o700);
  });
});

describe('recorder: a write that fails', () => {
  it('leaves no half file behind', async () => {
    const full = recorder();
    await full.open();
    // JSON that cannot be made stands for any write that fails half way.
    full.record({ ...report(1), oomKills: 1n as unknown as number });
    await full.close(5000);
    expect(problems).toHaveLength(1);
    expect(files()).toEqual([]);
  });
});

describe('recorder: flight recording', () => {
  it('is there while pressure lasts and gone when it ends', async () => {
    const flying = recorder();
    await flying.open();
    flying.flight(() => report(1));
    await flying.close(5000);
    expect(JSON.parse(readFileSync(FLIGHT(), 'utf8'))).toEqual(report(1));
    flying.flightDone();
    await flying.close(5000);
    expect(files()).toEqual([]);
    expect(await recorder().open()).toBeUndefined();
  });

  it('asks for a report only to write it', async () => {
    const flying = recorder();
    let asked = 0;
    for (let n = 0; n < 1000; n++)
      flying.flight(() => {
        asked++;
        return report(n % 60);
      });
    await flying.close(5000);
    expect(asked).toBeLessThanOrEqual(2);
    expect(JSON.parse(readFileSync(FLIGHT(), 'utf8'))).toEqual(report(999 % 60));
  });

  it('never comes back after its end was asked for while it was being written', async () => {
    const flying = recorder();
    for (let n = 0; n < 20; n++) {
      flying.flight(() => report(1));
      flying.flightDone();
    }
    await flying.close(5000);
    expect(files()).toEqual([]);
  });

  it('left behind becomes a post-mortem, once', async () => {
    const dying = recorder();
    dying.flight(() => report(1));
    await dying.close(5000);
    const next = recorder();
    const found = await next.open();
    expect(found).toMatchObject({ id: 'id-1', cause: 'unknown', signal: null });
    for (const part of ['97 %', '512 MiB']) expect(found?.reason).toContain(part);
    expect(next.list()).toEqual([found]);
    await next.close(5000);
    expect(files()).toEqual(['post-mortem-2026-01-02T03-04-01.000Z-101.json']);
    const last = recorder();
    expect(await last.open()).toBeUndefined();
    expect(last.list()).toEqual([found]);
  });

  it('is no news when the death is in a report already', async () => {
    const dying = recorder();
    dying.flight(() => report(1));
    dying.record({ ...report(2), agent: report(1).agent });
    await dying.close(5000);
    const next = recorder();
    expect(await next.open()).toBeUndefined();
    expect(ids(next.list())).toEqual(['id-2']);
    await next.close(5000);
    expect(existsSync(FLIGHT())).toBe(false);
  });

  it('is no death when the agent still lives', async () => {
    const dying = recorder();
    dying.flight(() => report(1));
    await dying.close(5000);
    const next = recorder({ lives: ({ pid }) => pid === 101 });
    expect(await next.open()).toBeUndefined();
    expect(next.list()).toEqual([]);
  });

  it('that is corrupt is told and does not stop the start', async () => {
    mkdirSync(dir, { recursive: true });
    writeFileSync(FLIGHT(), '{"id":');
    const next = recorder();
    expect(await next.open()).toBeUndefined();
    expect(problems[0]?.message).toContain('flight.json');
  });
});
