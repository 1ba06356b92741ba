import { afterAll, describe, expect, it } from 'vitest';
import { LACKS } from '../support/kernel.ts';
import { type Kind, lackOf } from './kinds.ts';
import { nodeKinds } from './node-kinds.ts';
import { observed } from './observed.ts';
import { otherKinds } from './other-kinds.ts';
import type { Seen } from './spec.ts';
import { stage } from './stage.ts';

const SECONDS = 60;

if (LACKS) {
  describe.skip(`a healthy agent (skipped: ${LACKS})`, () => it('is left alone', () => {}));
} else {
  const staged = stage(process.execPath);
  const results = new Map<string, Seen>();
  afterAll(() => {
    staged.remove();
    report(results);
  });

  describe.concurrent('a healthy agent is left alone', () => {
    for (const kind of [...nodeKinds(staged), ...otherKinds(staged)]) {
      const lack = lackOf(kind);
      if (lack !== undefined) console.warn(`skipped, ${lack} is not here: ${kind.name}`);
      it.skipIf(lack !== undefined)(kind.name, async ({ onTestFinished }) => {
        const seen = await observed(kind, staged, { seconds: SECONDS }, onTestFinished);
        results.set(kind.name, seen);
        expect(seen.problem).toBeUndefined();
        expect(seen.interventions).toEqual([]);
        const [least, most] = kind.rests;
        expect(seen.restRatio, 'where it rests').toBeGreaterThanOrEqual(least);
        expect(seen.restRatio, 'where it rests').toBeLessThanOrEqual(most);
      });
    }
  });

  it.skipIf(!process.env['TEST_HARM_TOOLS'])('of forty kinds at least', () => {
    expect(results.size).toBeGreaterThanOrEqual(40);
  });

  it('a guardian that does harm is seen to do it', async ({ onTestFinished }) => {
    const command = [process.execPath, '--max-old-space-size=900', staged.agent('node.mjs'), '{"heap":600}'];
    const kind: Kind = { name: 'a large live heap', how: 'guard', limitMiB: 1024, command, rests: [0, 1] };
    const { interventions } = await observed(
      kind,
      { ...staged, cli: staged.rough },
      { seconds: 15 },
      onTestFinished,
    );
    for (const what of [
      /^SIGUSR1 to \d+/,
      /^port 9229 was opened/,
      /^a stop of \d+ ms/,
      /^\d+ times 503/,
      /^SIGTERM to/,
      /^the agent ended/,
    ])
      expect(interventions).toContainEqual(expect.stringMatching(what));
  });
}

/** For whoever reads the log: each agent, and what was done to it. */
function report(results: ReadonlyMap<string, Seen>): void {
  let sum = 0;
  for (const [name, { restRatio, highestRatio, longestGapMs, answers, interventions, events }] of results) {
    const slowest = answers ? `, ${answers.count} answers, slowest ${Math.round(answers.slowestMs)} ms` : '';
    console.log(
      `${name}: rests at ${restRatio.toFixed(2)}, highest ${highestRatio.toFixed(2)}, longest gap ${longestGapMs} ms${slowest}; events: ${events.join(' ') || 'none'}`,
    );
    for (const each of interventions) console.log(`    ${each}`);
    sum += interventions.length;
  }
  console.log(`healthy agents: ${results.size}, interventions: ${sum}`);
}
