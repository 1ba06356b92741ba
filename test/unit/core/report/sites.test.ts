import { describe, expect, it } from 'vitest';
import { type RawSite, type SamplingNode, sitesOf } from '../../../../src/core/report/sites.ts';
import { growthSince, placeAsRun, topSites } from '../../../../src/core/report/top-sites.ts';
import { profileFile } from '../../../../src/runtimes/node/parse-heapprofile.ts';

let lastId = 0;
/** `at` is `url:line:column`, from 0, or empty for what is built in. */
function node(name: string, at: string, selfSize: number, children: SamplingNode[] = []): SamplingNode {
  const [, url = '', line = '-1', column = '-1'] = /^(.*):(\d+):(\d+)$/.exec(at) ?? [];
  const callFrame = {
    functionName: name,
    scriptId: url ? '7' : '0',
    url,
    lineNumber: Number(line),
    columnNumber: Number(column),
  };
  return { callFrame, selfSize, id: ++lastId, children };
}
const root = (...children: SamplingNode[]) => node('(root)', '', 0, children);
const named = (sites: RawSite[]) => sites.map(({ name, line, bytes }) => [name, line, bytes]);

describe('sitesOf', () => {
  it('gives what Node and V8 allocate to the function that called them', () => {
    const timer = node('setTimeout', 'node:timers:138:19', 5, [node('(V8 API)', '', 2)]);
    const step = node('agentStep', '/app/agent.js:6:18', 10, [node('set', '', 3), timer]);
    expect(named(sitesOf([root(node('processTimers', 'node:internal/timers:5:1', 1, [step]))]))).toEqual([
      ['agentStep', 7, 20],
      ['processTimers', 6, 1],
    ]);
  });

  it('gives a callback without a name to the named function around it, and to no other', () => {
    const inside = node('from', '', 2, [node('', '/app/agent.js:8:20', 4)]);
    const before = node('', '/app/agent.js:2:20', 5);
    const elsewhere = node('', '/app/other.js:9:0', 7);
    const step = node('agentStep', '/app/agent.js:6:18', 0, [inside, before, elsewhere]);
    expect(named(sitesOf([root(step)]))).toEqual([
      ['', 10, 7],
      ['agentStep', 7, 6],
      ['', 3, 5],
    ]);
  });

  it('gives the first values of fields to the constructor', () => {
    const fields = node('<instance_members_initializer>', '/app/agent.js:3:4', 6);
    expect(named(sitesOf([root(node('Session', '/app/agent.js:9:12', 0, [fields]))]))).toEqual([
      ['Session', 10, 6],
    ]);
  });

  it('adds up calls by different ways, in all isolates', () => {
    const keep = () => node('keep', '/app/agent.js:1:1', 4);
    const head = root(
      node('a', '/app/agent.js:5:1', 0, [keep()]),
      node('b', '/app/agent.js:6:1', 0, [keep()]),
    );
    expect(named(sitesOf([head, root(keep())]))).toEqual([['keep', 2, 12]]);
  });

  it('keeps the nearest name of Node where no function of a program is on the stack, else that of V8', () => {
    const body = node('consumeBody', 'node:internal/deps/undici/undici:9:1', 0, [node('parse', '', 8)]);
    expect(named(sitesOf([root(body, node('(GC)', '', 3))]))).toEqual([
      ['consumeBody', 10, 8],
      ['(GC)', 0, 3],
    ]);
  });
});

describe('growth', () => {
  const site = (name: string, bytes: number): RawSite => ({
    name,
    url: '/app/a.js',
    line: 1,
    column: 1,
    bytes,
  });

  it('is all that was found at the first reading', () => {
    const first = [site('leak', 60), site('cache', 40)];
    expect(growthSince(first, [], first).map(({ name, growthBytes }) => [name, growthBytes])).toEqual([
      ['leak', 60],
      ['cache', 40],
    ]);
  });

  it('leaves out what only replaces itself, as soon as enough has grown to say so', () => {
    const first = [site('cache', 90), site('leak', 10)];
    const soon = growthSince([site('cache', 90), site('leak', 30)], [], first);
    expect(soon.map(({ growthBytes }) => growthBytes)).toEqual([90, 30]);
    const later = growthSince([site('cache', 90), site('leak', 120)], [], first);
    expect(later.map(({ name, growthBytes }) => [name, growthBytes])).toEqual([
      ['leak', 110],
      ['cache', 0],
    ]);
  });

  it('is told against what somebody else had sampled before', () => {
    const found = [site('old', 50), site('new', 20)];
    expect(growthSince(found, [site('old', 50)], found).map(({ growthBytes }) => growthBytes)).toEqual([
      20, 0,
    ]);
  });

  it('merges what turns out to be one place in the source, and tells the ten that grew most', () => {
    const sites = Array.from({ length: 30 }, (_, i) => ({ ...site(`f${i}`, 30 - i), growthBytes: 30 - i }));
    const places = sites.map((each, i) => ({ ...placeAsRun(each), name: i < 2 ? 'one' : each.name }));
    const top = topSites(sites, places);
    expect(top).toHaveLength(10);
    expect(top[0]).toMatchObject({
      name: 'one',
      bytes: 59,
      growthBytes: 59,
      file: '/app/a.js',
      package: null,
    });
  });
});

describe('profileFile', () => {
  it('is one tree with ids of its own for the main isolate and its workers', () => {
    const leaf = node('a', '/a.js:1:1', 4);
    const main = { head: root(leaf), samples: [{ size: 4, nodeId: leaf.id, ordinal: 1 }] };
    const worker = structuredClone(main);
    const { head, samples } = JSON.parse(profileFile([main, worker]));
    const ids = (each: SamplingNode): number[] => [each.id, ...each.children.flatMap(ids)];
    expect(new Set(ids(head)).size).toBe(4);
    expect(head.children[1].callFrame.functionName).toBe('(worker 1)');
    expect(samples[1].nodeId).toBe(head.children[1].children[0].id);
    expect(main.head.children).toHaveLength(1);
  });
});
