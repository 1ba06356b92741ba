import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Profile } from '../../../../src/core/model/heap.ts';
import { growthKinds, type MemoryFacts } from '../../../../src/core/report/growth-breakdown.ts';
import { createHeapProfile } from '../../../../src/runtimes/node/heap-profile.ts';
import { createSourceMaps } from '../../../../src/runtimes/node/source-maps.ts';
import { type GrowingAgent, growingAgent, NODES, workerSession } from '../../../support/grow.ts';

const AGENT = join(import.meta.dirname, '../../../support/agents/grow-kinds.mjs');
const BUNDLE = join(import.meta.dirname, '../../../support/agents/grow-bundle.ts');
const MIB = 1024 ** 2;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spillway-grow-'));
  const memo = join(directory, 'node_modules/@acme/memo');
  await mkdir(memo, { recursive: true });
  await writeFile(
    join(memo, 'index.js'),
    `const memo = new Map();

exports.remember = async function remember(key) {
  await null;
  for (let i = 0; i < 100; i++) memo.set(key + i / 100, [key, i]);
};
`,
  );
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const grown = ({ sites }: Profile) => sites.reduce((sum, { growthBytes }) => sum + growthBytes, 0);
const held = ({ sites }: Profile) => sites.reduce((sum, { bytes }) => sum + bytes, 0);

/** The line that declares a function of the agent. */
function lineOf(name: string): number {
  const declares = new RegExp(`^\\s*(?:async )?(?:function )?${name}\\(.*\\{$`);
  return (
    readFileSync(AGENT, 'utf8')
      .split('\n')
      .findIndex((line) => declares.test(line)) + 1
  );
}

async function factsOf({ pid, session }: GrowingAgent): Promise<MemoryFacts> {
  const { result } = await session.send<{ result: { value: NodeJS.MemoryUsage } }>('Runtime.evaluate', {
    expression: 'process.memoryUsage()',
    returnByValue: true,
  });
  const { rss, heapUsed, heapTotal, external } = result.value;
  return {
    heap: {
      usedBytes: heapUsed,
      committedBytes: heapTotal,
      limitBytes: null,
      limitedBytes: heapUsed,
      externalBytes: external,
    },
    rssBytes: rss,
    anonBytes: null,
    shmemBytes: null,
    processes: [{ pid, name: 'node', rssBytes: rss }],
  };
}

/** Function, file and line of what grew most. */
function first({ sites: [site] }: Profile) {
  return [site?.name, basename(site?.file ?? ''), site?.line];
}

describe.each(NODES)('heap profile on %s', (node) => {
  it.each([
    ['closure', 'closureLeak'],
    ['map', 'mapLeak'],
    ['listener', 'listenerLeak'],
    ['array', 'arrayLeak'],
    ['string', 'stringLeak'],
    ['timer', 'timerLeak'],
    ['promise', 'promiseLeak'],
    ['async', 'fetchStep'],
    ['parse', 'parseLeak'],
    ['class', 'addTurns'],
  ])('names what leaks by %s: %s', async (kind, name) => {
    await using agent = await growingAgent(node, [AGENT, kind, '15']);
    const profile = createHeapProfile(agent.session, { findPlaces: createSourceMaps({ pid: agent.pid }) });
    await profile.start();
    await agent.grown();
    const read = await profile.read();
    expect(first(read)).toEqual([name, 'grow-kinds.mjs', lineOf(name)]);
    expect(read.sites[0]?.package).toBeNull();
    expect(grown(read)).toBeGreaterThan(8 * MIB);
    expect(grown(read)).toBeLessThan(25 * MIB);
  });

  it('names a function of a package, and the package', async () => {
    await using agent = await growingAgent(
      node,
      [AGENT, 'package', '15', join(directory, 'node_modules/@acme/memo')],
      directory,
    );
    const profile = createHeapProfile(agent.session, { findPlaces: createSourceMaps({ pid: agent.pid }) });
    await profile.start();
    await agent.grown();
    expect((await profile.read()).sites[0]).toMatchObject({
      name: 'remember',
      file: 'node_modules/@acme/memo/index.js',
      line: 3,
      package: '@acme/memo',
    });
  });

  it.each([
    ['beside it', false, true],
    ['minified, beside it', true, true],
    ['minified, inline', true, 'inline' as const],
  ])('names the source of a bundle with a map: %s', async (title, minify, sourcemap) => {
    const outfile = join(directory, 'dist', `${title.replaceAll(/\W+/g, '-')}.js`);
    buildSync({
      entryPoints: [BUNDLE],
      bundle: true,
      platform: 'node',
      minify,
      sourcemap,
      outfile,
      logLevel: 'error',
    });
    await using agent = await growingAgent(node, [outfile]);
    const profile = createHeapProfile(agent.session, { findPlaces: createSourceMaps({ pid: agent.pid }) });
    await profile.start();
    await agent.grown();
    const { sites } = await profile.read();
    const named = sites.map(({ name, file, line }) => [name, file, line]);
    expect(named.slice(0, 2).sort()).toEqual([
      ['keepTranscript', 'test/support/agents/grow-bundle.ts', 19],
      ['rememberTurns', 'test/support/agents/grow-bundle.ts', 10],
    ]);
  });

  it('tells Buffers, which no site of the heap accounts for, by their kind', async () => {
    await using agent = await growingAgent(node, [AGENT, 'buffer', '40']);
    const before = await factsOf(agent);
    await agent.grown();
    const { kinds, note } = growthKinds(agent.pid, await factsOf(agent), before, []);
    expect(kinds[0]).toMatchObject({ kind: 'external' });
    expect((kinds[0]?.growthBytes ?? 0) / MIB).toBeCloseTo(40, -1);
    expect(note).toMatch(/^Buffers and other memory of objects outside the heap: \d/);
  });

  it('finds what grows in a worker thread', async () => {
    await using agent = await growingAgent(node, [AGENT, 'worker', '15']);
    const worker = await workerSession(agent.session);
    const profile = createHeapProfile(agent.session, { workers: () => [worker] });
    await profile.start();
    await agent.grown();
    const read = await profile.read();
    expect(first(read)).toEqual(['arrayLeak', 'grow-kinds.mjs', lineOf('arrayLeak')]);
    expect(grown(read)).toBeGreaterThan(8 * MIB);
    await profile.stop();
  });

  it('says what a leak that had begun before adds', async () => {
    await using agent = await growingAgent(node, [AGENT, 'array', '40']);
    await agent.session.send('Runtime.evaluate', {
      expression: 'globalThis.before = Array.from({ length: 1e6 }, (_, i) => ({ i }))',
    });
    const profile = createHeapProfile(agent.session);
    await profile.start();
    await agent.grown();
    expect(grown(await profile.read())).toBeLessThan(60 * MIB);
  });
});

describe('heap profile', () => {
  it('leaves nothing sampling, and can begin anew', async () => {
    await using agent = await growingAgent(process.execPath, [AGENT, 'array', '15']);
    const profile = createHeapProfile(agent.session);
    await profile.start();
    await profile.start();
    await agent.grown();
    expect(grown(await profile.read())).toBeGreaterThan(8 * MIB);
    await profile.stop();
    await expect(agent.session.send('HeapProfiler.getSamplingProfile')).rejects.toThrow(/not started/);
    await profile.start();
    expect(grown(await profile.read())).toBeLessThan(2 * MIB);
  });

  it("goes along with somebody else's sampling, and leaves it running", async () => {
    await using agent = await growingAgent(process.execPath, [AGENT, 'array', '15']);
    await agent.session.send('HeapProfiler.startSampling', { samplingInterval: 65536 });
    await agent.grown();
    const profile = createHeapProfile(agent.session);
    await profile.start();
    const read = await profile.read();
    expect(held(read)).toBeGreaterThan(8 * MIB);
    expect(grown(read)).toBeLessThan(2 * MIB);
    await profile.stop();
    expect(await agent.session.send('HeapProfiler.getSamplingProfile')).toHaveProperty('profile.head');
  });

  it('writes a file with a tree and its samples', async () => {
    await using agent = await growingAgent(process.execPath, [AGENT, 'array', '15']);
    const profile = createHeapProfile(agent.session);
    await profile.start();
    await agent.grown();
    const { file, stallMs, sampledMs } = await profile.read();
    const { head, samples } = JSON.parse(String(file?.content));
    expect(file?.extension).toBe('.heapprofile');
    expect(head.callFrame.functionName).toBe('(root)');
    expect(samples[0]).toEqual({
      size: expect.any(Number),
      nodeId: expect.any(Number),
      ordinal: expect.any(Number),
    });
    expect(stallMs).toBeGreaterThan(0);
    expect(sampledMs).toBeGreaterThan(stallMs);
  });

  it('gives up on an agent whose loop does not turn, in time', async () => {
    await using agent = await growingAgent(process.execPath, [AGENT, 'none', '0']);
    const profile = createHeapProfile(agent.session);
    await profile.start();
    const expression = 'for (const end = Date.now() + 1500; Date.now() < end; );';
    const blocked = agent.session.send('Runtime.evaluate', { expression }, 5000);
    const askedMs = performance.now();
    await expect(profile.read()).rejects.toMatchObject({ code: 'timeout' });
    expect(performance.now() - askedMs).toBeLessThan(1000);
    await blocked;
    expect((await profile.read()).sampledMs).toBeGreaterThan(1500);
  });
});
