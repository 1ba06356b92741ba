import { afterEach, describe, expect, it } from 'vitest';
import type { Reading } from '../../../src/core/model/reading.ts';
import { RssDoubt } from '../../../src/sources/rss-doubt.ts';
import { createRssReader, type RssReader } from '../../../src/sources/rss-reader.ts';
import { SharedPages } from '../../../src/sources/shared-pages.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';
import { readingOf } from '../../support/reading.ts';
import { type Started, start } from '../../support/started.ts';

const MiB = 2 ** 20;
let started: Started | undefined;
let fake: FakeTree | undefined;
let reader: RssReader | undefined;
afterEach(() => {
  started?.kill();
  fake?.remove();
  reader?.close();
});

const process = (pid: number, { anon = 100, pss = 100 }: { anon?: number; pss?: number | null } = {}) => ({
  [`proc/${pid}/status`]: `RssAnon:\t${anon * 1024} kB\nRssFile:\t8 kB\nRssShmem:\t0 kB\n`,
  ...(pss !== null && {
    [`proc/${pid}/smaps_rollup`]: `0-f ---p 0 00:00 0 [rollup]\nPss_Anon:  ${pss * 1024} kB\nPss_Shmem:   0 kB\n`,
  }),
});
const look = (...pids: number[]) => pids.map((pid) => ({ pid, identity: pid, rssBytes: 100 * MiB }));

describe('pages that processes share', () => {
  it('are counted once: a server forked after it has loaded its program', async () => {
    const program = `import os, time
data = bytearray(os.urandom(1) * 100_000_000)
pids = [os.getpid()]
for i in range(4):
    pid = os.fork()
    if pid == 0: time.sleep(60)
    pids.append(pid)
print(*pids, flush=True)
time.sleep(60)`;
    started = await start('python3', ['-c', program], { awaitOutput: true });
    const pids = started.output().trim().split(' ').map(Number);
    const members = pids.map((pid) => ({ pid, identity: 1, rssBytes: 1 }));
    reader = createRssReader({ procRoot: '/proc' });
    const held = async (pages?: SharedPages) => {
      reader?.follow(pages ? await pages.measure(members, 0) : members);
      const into = { usedBytes: 0, reclaimableBytes: 0 };
      reader?.read(into);
      return into.usedBytes - into.reclaimableBytes;
    };
    expect(await held()).toBeGreaterThan(500e6);
    const pages = new SharedPages('/proc');
    expect(await held(pages)).toBeLessThan(160e6);
    expect(await held(pages)).toBeGreaterThan(100e6);
    expect(pages.exact).toBe(true);
    for (const pid of pids.slice(1)) globalThis.process.kill(pid);
  });

  it('are measured again when a new process is there to share them, and every 5 s', async () => {
    fake = fakeTree({ ...process(1), ...process(2) });
    const pages = new SharedPages(`${fake.root}/proc`);
    const over = async (nowMs: number, ...pids: number[]) =>
      (await pages.measure(look(...pids), nowMs)).map(({ overBytes }) => (overBytes ?? 0) / MiB);
    expect(await over(0, 1, 2)).toEqual([0, 0]);
    fake.write({ ...process(1, { pss: 50 }), ...process(2, { pss: 60 }), ...process(3, { pss: 40 }) });
    expect(await over(1000, 1, 2)).toEqual([0, 0]);
    expect(await over(2000, 1, 2, 3)).toEqual([50, 40, 60]);
    fake.write(process(1, { pss: 99 }));
    expect(await over(3000, 1, 2, 3)).toEqual([50, 40, 60]);
    expect(await over(7000, 1, 2, 3)).toEqual([1, 40, 60]);
  });

  it('are seldom measured again while all of it is far from the limit', async () => {
    fake = fakeTree({ ...process(1), ...process(2) });
    const pages = new SharedPages(`${fake.root}/proc`);
    await pages.measure(look(1, 2), 0, true);
    fake.write(process(1, { pss: 50 }));
    const over = async (nowMs: number) => (await pages.measure(look(1, 2), nowMs, true))[0]?.overBytes;
    expect(await over(20_000)).toBe(0);
    expect(await over(30_000)).toBe(50 * MiB);
  });

  it('are not known where a process may not be asked; one alone shares nothing', async () => {
    fake = fakeTree({ ...process(1), ...process(2, { pss: null }) });
    const pages = new SharedPages(`${fake.root}/proc`);
    await pages.measure(look(1), 0);
    expect(pages.exact).toBe(true);
    await pages.measure(look(1, 2), 1000);
    expect(pages.exact).toBe(false);
    await pages.measure(look(1), 2000);
    expect(pages.exact).toBe(true);
  });
});

describe('a sum of RSS', () => {
  const reading = (heldMiB: number, limitSource: Reading['limitSource']): Reading => ({
    ...readingOf(heldMiB, 400),
    limitSource,
    usageSource: 'rss',
  });

  it.each([
    'downward-api',
    'machine',
    'option',
  ] as const)('above the limit (%s) is wrong where pages are counted more than once, and is not believed soon after', (source) => {
    const doubt = new RssDoubt();
    const check = (heldMiB: number) => () =>
      doubt.check(reading(heldMiB, source), { exact: false, processes: 8 });
    expect(check(380)).not.toThrow();
    expect(check(719)).toThrow(
      expect.objectContaining({
        code: 'read',
        message: expect.stringMatching(/\(8\).* 719 MiB .* 400 MiB .*runAsUser, runAsGroup/),
      }),
    );
    expect(check(390)).toThrow();
    expect(check(190)).not.toThrow();
    expect(check(390)).not.toThrow();
  });

  it('above a limit that nobody enforces is what it is', () => {
    expect(() => new RssDoubt().check(reading(500, 'option'), { exact: true })).not.toThrow();
  });

  it('above the limit that the kernel enforces means another limit', () => {
    expect(() => new RssDoubt().check(reading(500, 'downward-api'), {})).toThrow(
      expect.objectContaining({ code: 'read', message: expect.stringContaining('--limit') }),
    );
  });
});
