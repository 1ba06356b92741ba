import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DemoRun } from '../../src/demo/recording.ts';
import { describeRun, draw } from '../support/picture.ts';
import { readDocument } from '../support/readme.ts';

const RUN = new URL('../fixtures/demo-run.json', import.meta.url);
const run: DemoRun = JSON.parse(readFileSync(RUN, 'utf8'));

describe('the picture of the README', () => {
  it('is what the recorded run gives (npm run picture)', async () => {
    await expect(draw(run)).toMatchFileSnapshot('../../.github/demo.svg');
  });

  it('is described by the figures of the run', () => {
    expect(readDocument('README.md')).toContain(`![${describeRun(run)}](.github/demo.svg)`);
  });

  it('is well-formed: no quote inside a quoted attribute, as browsers refuse', () => {
    const tags = draw(run).match(/<[a-z][^>]*>/g) ?? [];
    expect(tags.filter((tag) => !/^<[\w:]+(?:\s+[\w:-]+="[^"<]*")*\s*\/?>$/.test(tag))).toEqual([]);
  });

  it('shows the same load on both, accounted for to the last user', () => {
    const { conversations, arrivals } = run.offered;
    expect(arrivals.reduce((sum, count) => sum + count, 0)).toBe(conversations);
    for (const { conversations: became } of [run.unguarded, run.guarded])
      expect(became.completed + became.lost + became.elsewhere).toBe(conversations);
  });

  it('shows kills without Spillway, and an agent that outlives the load with it', () => {
    const { unguarded, guarded } = run;
    expect(unguarded.deaths.length).toBeGreaterThan(0);
    expect(unguarded.deaths.filter(({ exitStatus }) => exitStatus !== 137)).toEqual([]);
    expect(unguarded.probes.map(([, answer]) => answer)).not.toContain(503);
    expect(guarded.deaths).toEqual([]);
    expect(guarded.conversations.lost).toBeLessThan(unguarded.conversations.lost);
    expect(guarded.requests.served).toBeGreaterThan(unguarded.requests.served);
  });
});
