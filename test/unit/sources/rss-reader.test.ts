import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { statusBytes } from '../../../src/core/proc/proc-text.ts';
import { createRssReader, type FollowedProcess, type RssReader } from '../../../src/sources/rss-reader.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';
import { type Started, start } from '../../support/started.ts';

const KIB = 1024;
let started: Started | undefined;
let fake: FakeTree | undefined;
let reader: RssReader | undefined;
afterEach(() => {
  reader?.close();
  started?.kill();
  fake?.remove();
});

const follow = (pid: number, rssBytes = 1, identity = 1): FollowedProcess => ({ pid, identity, rssBytes });
const into = () => ({ usedBytes: -1, reclaimableBytes: -1 });
const openFiles = () => readdirSync('/proc/self/fd').length;

describe('a real process', () => {
  it('is read as the kernel says, until it is gone', async () => {
    started = await start(
      process.execPath,
      ['-e', 'b = Buffer.alloc(5e7, 1); console.log(1); setTimeout(() => {}, 60000)'],
      {
        awaitOutput: true,
      },
    );
    reader = createRssReader({ procRoot: '/proc' });
    reader.follow([follow(started.pid)]);
    const read = into();
    expect(reader.read(read)).toBe(true);
    const status = readFileSync(`/proc/${started.pid}/status`, 'utf8');
    const near = (bytes: number, key: string) => Math.abs(bytes - statusBytes(status, key)) < 4e6;
    expect(read.usedBytes).toBeGreaterThan(50e6);
    expect(near(read.usedBytes, 'VmRSS')).toBe(true);
    expect(near(read.reclaimableBytes, 'RssFile')).toBe(true);

    const ended = new Promise((resolve) => started?.child.once('exit', resolve));
    started.kill();
    await ended;
    expect(reader.read(read)).toBe(false);
    expect(reader.read(read)).toBe(false);
    reader.follow([follow(started.pid)]);
    expect(reader.read(read)).toBe(false);
  });

  it('does not call shared memory reclaimable', async () => {
    const program =
      'import mmap, time\nm = mmap.mmap(-1, 50_000_000)\nm.write(b"x" * 50_000_000)\nprint(1, flush=True)\ntime.sleep(60)';
    started = await start('python3', ['-c', program], { awaitOutput: true });
    reader = createRssReader({ procRoot: '/proc' });
    reader.follow([follow(started.pid)]);
    const read = into();
    reader.read(read);
    expect(read.usedBytes).toBeGreaterThan(50e6);
    expect(read.reclaimableBytes).toBeLessThan(30e6);
  });
});

describe('a made-up tree', () => {
  const processFiles = (pid: number, resident: number, shared: number, shmemKib = 0) => ({
    [`proc/${pid}/statm`]: `9999 ${resident} ${shared} 1 0 5 0\n`,
    [`proc/${pid}/status`]: `RssFile:\t  8 kB\nRssShmem:\t  ${shmemKib} kB\n`,
  });

  it('adds up resident pages, and shared file pages as reclaimable', () => {
    fake = fakeTree({ ...processFiles(1, 100, 40, 40), ...processFiles(2, 10, 5), ...processFiles(3, 0, 0) });
    reader = createRssReader({ procRoot: `${fake.root}/proc` });
    reader.follow([follow(1), follow(2), follow(3), follow(4)]);
    const read = into();
    expect(reader.read(read)).toBe(true);
    expect(read).toEqual({ usedBytes: 110 * 4 * KIB, reclaimableBytes: 35 * 4 * KIB });
  });

  it('keeps the largest 64 open, counts the rest as last seen, and closes what it leaves', () => {
    const pids = Array.from({ length: 70 }, (_, index) => index + 1);
    fake = fakeTree(Object.assign({}, ...pids.map((pid) => processFiles(pid, 10, 2))));
    const before = openFiles();
    reader = createRssReader({ procRoot: `${fake.root}/proc` });
    reader.follow(pids.map((pid) => follow(pid, 50 * KIB)));
    expect(openFiles()).toBe(before + 64);
    const read = into();
    reader.read(read);
    expect(read.usedBytes).toBe(64 * 40 * KIB + 6 * 50 * KIB);
    expect(read.reclaimableBytes).toBe(64 * 8 * KIB + 6 * 8 * KIB);
    reader.follow([follow(1), follow(2, 1, 2)]);
    expect(openFiles()).toBe(before + 2);
    reader.follow([follow(1), follow(2, 1, 2)]);
    expect(openFiles()).toBe(before + 2);
    expect(reader.read(read)).toBe(true);
    reader.close();
    expect(openFiles()).toBe(before);
    expect(reader.read(read)).toBe(false);
  });
});
