import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openAgentFile, readAgentFile } from '../../../src/sources/agent-file.ts';

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-agent-file-'));
  writeFileSync(at('answer'), 'pages: 7');
  writeFileSync(at('huge'), '');
  truncateSync(at('huge'), 2 ** 40);
  symlinkSync(at('answer'), at('link'));
  mkdirSync(at('folder'));
  execFileSync('mkfifo', [at('fifo')]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('reads a file as far as it may be long', () => {
  expect(readAgentFile(at('answer'), 8)?.toString()).toBe('pages: 7');
  expect(readAgentFile(at('answer'), 7)).toBe(null);
  expect(readAgentFile(at('huge'), 1_000_000)).toBe(null);
});

it('reads what is its owner’s only, where that is asked for', () => {
  const uid = process.getuid?.() ?? 0;
  expect(readAgentFile(at('answer'), 100, uid)?.toString()).toBe('pages: 7');
  expect(readAgentFile(at('answer'), 100, uid + 1)).toBe(null);
});

it.each(['fifo', 'folder', 'link', 'missing', '/dev/zero'])('refuses at once: %s', (name) => {
  expect(() => readAgentFile(name.startsWith('/') ? name : at(name), 100)).toThrow(name);
});

it('refuses at once also where links are followed: a FIFO', () => {
  expect(() => openAgentFile(at('fifo'), true)).toThrow(at('fifo'));
});
