import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DemoRun } from '../../src/demo/recording.ts';
import { draw } from '../support/picture.ts';

const RUN = new URL('../fixtures/demo-run.json', import.meta.url);
const run: DemoRun = JSON.parse(readFileSync(RUN, 'utf8'));

describe('the picture of the README', () => {
  it('is what the recorded run gives (npm run picture)', async () => {
    await expect(draw(run)).toMatchFileSnapshot('../../.github/demo.svg');
  });

  it('is well-formed: no quote inside a quoted attribute, as browsers refuse', () => {
    const tags = draw(run).match(/<[a-z][^>]*>/g) ?? [];
    expect(tags.filter((tag) => !/^<[\w:]+(?:\s+[\w:-]+="[^"<]*")*\s*\/?>$/.test(tag))).toEqual([]);
  });

  it('shows a run that went through the whole cycle twice and then to its end', () => {
    const steps = run.transitions.map(({ to }) => to).join(' ');
    expect(steps).toMatch(/(warning shedding (critical )?(\w+ )*?ok.*){2}/);
    const codes = run.probes.map(([, code]) => code).filter((code, i, all) => code !== all[i - 1]);
    expect(codes.slice(0, 5)).toEqual([200, 503, 200, 503, 200]);
    expect(run.end.cause).toBe('oom-killed');
  });
});
