import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RawSite } from '../../../../src/core/report/sites.ts';
import { createSourceMaps, type SourceMapOptions } from '../../../../src/runtimes/node/source-maps.ts';

/** The second line comes from `../src/agent.ts:7`, where `a` was called `agentStep`. */
const MAP = { version: 3, sources: ['../src/agent.ts'], names: ['agentStep'], mappings: ';SAMSA' };
const SCRIPT = '"use strict";\nfunction a(b){}\n';
const SITE: RawSite = { name: 'a', url: 'file:///app/dist/agent.js', line: 2, column: 11, bytes: 1 };

let proc: string;
beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), 'spillway-maps-'));
  mkdirSync(join(proc, '7/root'), { recursive: true });
  symlinkSync('/app', join(proc, '7/cwd'));
});
afterEach(() => rmSync(proc, { recursive: true, force: true }));

function put(path: string, text: string): void {
  const file = join(proc, '7/root', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
async function find(site: Partial<RawSite> = {}, options: Partial<SourceMapOptions> = {}) {
  const [place] = await createSourceMaps({ procRoot: proc, pid: 7, ...options })([{ ...SITE, ...site }]);
  return [place?.name, place?.file, place?.line];
}

describe('source maps', () => {
  it('are found beside the script, in the files as the agent sees them', async () => {
    put('/app/dist/agent.js', `${SCRIPT}//# sourceMappingURL=agent.js.map`);
    put('/app/dist/agent.js.map', JSON.stringify(MAP));
    expect(await find()).toEqual(['agentStep', 'src/agent.ts', 7]);
    expect(await find({ url: '/app/dist/agent.js' })).toEqual(['agentStep', 'src/agent.ts', 7]);
  });

  it.each([
    ['base64', `data:application/json;base64,${Buffer.from(JSON.stringify(MAP)).toString('base64')}`],
    ['as a URL', `data:application/json,${encodeURIComponent(JSON.stringify(MAP))}`],
  ])('are found within the script, %s', async (_, url) => {
    put('/app/dist/agent.js', `${SCRIPT}//# sourceMappingURL=${url}`);
    expect(await find()).toEqual(['agentStep', 'src/agent.ts', 7]);
  });

  it.each([
    ['webpack://my-agent/./src/agent.ts', 'src/agent.ts'],
    ['file:///app/src/my%20agent.ts', 'src/my agent.ts'],
    ['../node_modules/zod/lib/index.ts', 'node_modules/zod/lib/index.ts'],
    ['../../lib/agent.ts', '/lib/agent.ts'],
  ])('give sources for people: %s', async (source, file) => {
    put('/app/dist/agent.js', `${SCRIPT}//# sourceMappingURL=agent.js.map`);
    put('/app/dist/agent.js.map', JSON.stringify({ ...MAP, sources: [source] }));
    expect(await find()).toEqual(['agentStep', file, 7]);
  });

  it('take the name from the source where the map has none', async () => {
    const { names, ...rest } = MAP;
    const sourcesContent = [`${'\n'.repeat(6)}function agentStep(b) {}`];
    put('/app/dist/agent.js', `${SCRIPT}//# sourceMappingURL=agent.js.map`);
    put('/app/dist/agent.js.map', JSON.stringify({ ...rest, mappings: ';SAMS', sourcesContent }));
    expect(await find()).toEqual(['agentStep', 'src/agent.ts', 7]);
  });

  it.each([
    ['no map', ''],
    ['a map that is not there', '//# sourceMappingURL=gone.map'],
    ['a map that is none', '//# sourceMappingURL=data:application/json,{'],
    [
      'a map of nonsense',
      '//# sourceMappingURL=data:application/json,{"sources":7,"mappings":[1],"names":{}}',
    ],
    ['a map of null', '//# sourceMappingURL=data:application/json,null'],
    ['an address that is none', '//# sourceMappingURL=%E0%A4%A'],
  ])('are not needed: %s', async (_, comment) => {
    put('/app/dist/agent.js', SCRIPT + comment);
    expect(await find()).toEqual(['a', 'dist/agent.js', 2]);
  });

  it('are left alone when too big, as are scripts; of a script too big the map is still found', async () => {
    put('/app/dist/agent.js', `${SCRIPT}//# sourceMappingURL=agent.js.map`);
    put('/app/dist/agent.js.map', JSON.stringify({ ...MAP, pad: 'x'.repeat(10_000) }));
    expect(await find({}, { maxBytes: 9000 })).toEqual(['a', 'dist/agent.js', 2]);
    put('/app/dist/agent.js', `${SCRIPT}${'//'.padEnd(20_000, 'x')}\n//# sourceMappingURL=agent.js.map`);
    expect(await find({}, { maxBytes: 12_000 })).toEqual(['a', 'src/agent.ts', 7]);
  });

  it('are not waited for: a pipe in place of the script', async () => {
    mkdirSync(join(proc, '7/root/app/dist'), { recursive: true });
    execFileSync('mkfifo', [join(proc, '7/root/app/dist/agent.js')]);
    const startMs = performance.now();
    expect(await find()).toEqual(['a', 'dist/agent.js', 2]);
    expect(performance.now() - startMs).toBeLessThan(1000);
  });

  it('are looked for in our own files only where the agent sees the same', async () => {
    const script = join(proc, 'dist/agent.js');
    mkdirSync(dirname(script));
    const inline = Buffer.from(JSON.stringify(MAP)).toString('base64');
    writeFileSync(script, `${SCRIPT}//# sourceMappingURL=data:application/json;base64,${inline}`);
    expect(await find({ url: script })).toEqual(['a', script, 2]);
    expect(await find({ url: script }, { sameFiles: true })).toEqual([
      'agentStep',
      join(proc, 'src/agent.ts'),
      7,
    ]);
  });

  it('of TypeScript that was compiled in memory: the line that declares the name', async () => {
    put('/app/src/agent.ts', 'type A = string;\n\nexport async function keep(a: A) {}\n');
    const site = { url: 'file:///app/src/agent.ts?tsx=1', line: 1, column: 300 };
    expect(await find({ ...site, name: 'keep' })).toEqual(['keep', 'src/agent.ts', 3]);
    expect(await find({ ...site, name: 'other' })).toEqual(['other', 'src/agent.ts', null]);
  });

  it.each([
    'node:internal/timers',
    'evalmachine.<anonymous>',
    'wasm://wasm/0a1b',
  ])('leave %s as it is', async (url) => expect(await find({ url })).toEqual(['a', url, 2]));

  it('are kept: the files are read once', async () => {
    put('/app/dist/agent.js', `${SCRIPT}//# sourceMappingURL=agent.js.map`);
    put('/app/dist/agent.js.map', JSON.stringify(MAP));
    const findPlaces = createSourceMaps({ procRoot: proc, pid: 7 });
    const first = await findPlaces([SITE]);
    rmSync(join(proc, '7'), { recursive: true });
    expect(await findPlaces([SITE])).toEqual(first);
  });
});
