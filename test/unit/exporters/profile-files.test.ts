import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { keepFile, removeLeftovers, roomForSnapshot } from '../../../src/exporters/profile-files.ts';

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keep-file-'));
  const made = dir;
  onTestFinished(() => rmSync(made, { recursive: true }));
});

describe('what a killed guardian left of a file', () => {
  it('should go at the next start, and nothing else', async () => {
    const file = await keepFile(dir, 'heap', '2026-01-02T03-04-05.006Z.heapsnapshot');
    await file.write('{');
    for (const name of [
      'post-mortem-1.json',
      'notes.tmp',
      'profile-1.heapprofile.tmp',
      'heap-1.heapsnapshot',
    ])
      writeFileSync(join(dir, name), '');
    expect(readdirSync(dir)).toContain('heap-2026-01-02T03-04-05.006Z.heapsnapshot.tmp');
    await removeLeftovers(dir);
    expect(readdirSync(dir)).toEqual(['heap-1.heapsnapshot', 'notes.tmp', 'post-mortem-1.json']);
    await file.discard();
    await removeLeftovers(join(dir, 'none'));
  });
});

describe('room for a heap snapshot', () => {
  it('should be what the file system has, and is not asked for where nobody can tell', async () => {
    expect(await roomForSnapshot(dir, 1)).toBe('ok');
    expect(await roomForSnapshot(dir, 2 ** 60)).not.toBe('ok');
    expect(await roomForSnapshot(join(dir, 'none'), 2 ** 60)).toBe('ok');
  });
});
