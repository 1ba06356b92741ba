import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createInjectedRatio } from '../../../src/sources/injected-ratio.ts';
import { startStory } from '../../support/story.ts';

let directory: string;
let file: string;
let problems: string[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'injected-'));
  file = join(directory, 'ratio');
  problems = [];
});
afterEach(() => rmSync(directory, { recursive: true }));

const source = (path: string | undefined = file) =>
  createInjectedRatio(path, (problem) => problems.push(problem));

it('is no constraint without the option, without the file, and once the file is gone again', () => {
  expect(createInjectedRatio(undefined, (problem) => problems.push(problem)).read(0)).toBeNull();
  const injected = source();
  expect(injected.read(0)).toBeNull();
  writeFileSync(file, '0.9\n');
  expect(injected.read(300)).toMatchObject({
    name: 'injected',
    used: 0.9,
    limit: 1,
    unit: 'ratio',
    source: file,
  });
  rmSync(file);
  expect(injected.read(600)).toBeNull();
  expect(problems).toEqual([]);
});

it.each([
  ['2'],
  ['-0.1'],
  ['much'],
  [''],
  ['0.5 0.6'],
  ['9'.repeat(100), 'more than 64 bytes'],
])('%j is none, and reported once', (text, content = `"${text}"`) => {
  const injected = source();
  writeFileSync(file, text);
  for (let ms = 0; ms < 3000; ms += 300) expect(injected.read(ms)).toBeNull();
  expect(problems).toEqual([
    `injected-ratio-file: ${file} holds ${content}; write a number from 0 to 1, or remove it`,
  ]);
  writeFileSync(file, '1');
  expect(injected.read(5000)?.used).toBe(1);
});

it('a FIFO in its place holds nothing up', () => {
  execFileSync('mkfifo', [file]);
  expect(source().read(0)).toBeNull();
  expect(problems).toEqual([`injected-ratio-file: ${file} is not a regular file`]);
});

it('sheds and says so, and neither collects nor recycles the agent for it', async () => {
  const story = startStory({ options: { recycle: 'on' }, constraints: [source()] });
  await story.goes(2);
  writeFileSync(file, '0.95');
  await story.goes(10);
  const status = story.view.status();
  expect(status).toMatchObject({ level: 'critical', ready: false, limitedBy: 'injected', ratio: 0.95 });
  expect(status.constraints).toMatchObject([
    { name: 'container' },
    { name: 'injected', used: 0.95, ratio: 0.95 },
  ]);
  expect(status.remedies).toMatchObject([
    { name: 'gc', state: 'idle', code: 'no_pressure' },
    { name: 'shed', state: 'acting', code: 'refusing' },
    { name: 'recycle', state: 'idle', code: 'not_rising' },
  ]);
  for (const part of ['injected', '95 %']) expect(status.reason).toContain(part);
  expect([story.agent.signals, story.exporters.records]).toEqual([[], []]);
  writeFileSync(file, '0.3');
  await story.goes(7);
  expect(story.view.status()).toMatchObject({ level: 'ok', ready: true, limitedBy: 'injected' });
  rmSync(file);
  await story.goes(1);
  expect(story.view.status()).toMatchObject({
    limitedBy: 'container',
    constraints: [{ name: 'container' }],
  });
});

it('does not latch: un-ready for max-unready at the longest', async () => {
  const story = startStory({ options: { recycle: 'off' }, constraints: [source()] });
  writeFileSync(file, '0.9');
  await story.goes(65);
  expect(story.view.status()).toMatchObject({ level: 'shedding', ready: true });
});

it('may be a link, as the files of a ConfigMap are', () => {
  writeFileSync(join(directory, 'target'), '0.5');
  symlinkSync('target', file);
  expect(source().read(0)?.used).toBe(0.5);
});

it('hides no memory pressure once it has been given up and is gone', async () => {
  const story = startStory({ options: { recycle: 'off' }, constraints: [source()] });
  Object.assign(story.agent, { inFlight: 3 });
  writeFileSync(file, '0.95');
  await story.goes(65);
  expect(story.view.status()).toMatchObject({ level: 'critical', ready: true });
  const [note] = story.notes('AgentStuck');
  expect(note).toContain('injected');
  story.agent.liveMiB = 0.97 * story.agent.limitMiB;
  await story.goes(0.2);
  expect(story.view.status()).toMatchObject({ level: 'critical', ready: false });
  rmSync(file);
  await story.goes(1);
  expect(story.view.status()).toMatchObject({ level: 'critical', limitedBy: 'container', ready: false });
});

it('sheds also where shedding for memory has been given up', async () => {
  const story = startStory({
    options: { recycle: 'off', gc: 'off', profile: 'off' },
    constraints: [source()],
  });
  story.agent.liveMiB = 0.86 * story.agent.limitMiB - story.agent.otherMiB;
  await story.goes(30);
  expect(story.view.status()).toMatchObject({ level: 'shedding', ready: true });
  writeFileSync(file, '0.91');
  await story.goes(1);
  expect(story.view.status()).toMatchObject({ limitedBy: 'injected', ready: false });
});
