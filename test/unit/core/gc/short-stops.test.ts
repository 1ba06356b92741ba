import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GcStory } from '../../../support/gc-story.ts';

/** Up to what was measured, for each MB of live heap. */
const MS_PER_MB = { node: 1, jvm: 2, python: 1.8, go: 0 } as const;
const RUNTIMES = ['node', 'jvm', 'python', 'go'] as const;
const share = (min: number, max: number) => fc.double({ min, max, noNaN: true });

interface Drawn {
  runtime: (typeof RUNTIMES)[number];
  limit: number;
  /** Of the worst that was measured. */
  price: number;
}
const drawn = fc.record<Drawn>({
  runtime: fc.constantFrom(...RUNTIMES),
  limit: fc.constantFrom(256, 512, 1000, 2000, 6000, 16_000),
  price: share(0.02, 1),
});

/** Where it meets the limit if it goes on as it did in the last second. */
class Forecast {
  readonly #seen: number[] = [];
  of(held: number, limit: number): number | null {
    this.#seen.push(held);
    const before = this.#seen.at(-11);
    if (before === undefined || held - before < 0.002 * limit) return null;
    return Math.max(0, limit - held) / (held - before);
  }
}

/** Lives for so many seconds, as `shape` says what it holds at each: of the limit, live and garbage. */
function live(
  { runtime, limit, price }: Drawn,
  seconds: number,
  shape: (second: number, story: GcStory) => void,
): GcStory {
  const story = new GcStory();
  const forecast = new Forecast();
  Object.assign(story, {
    runtime,
    limit,
    other: 0.05 * limit,
    live: 0.2 * limit,
    msPerMB: price * MS_PER_MB[runtime],
  });
  return story.goes(seconds, (second) => {
    shape(second, story);
    story.secondsToLimit = forecast.of(story.held, limit);
  });
}

const stalledShare = ({ runs, seconds }: GcStory) =>
  runs.reduce((sum, { stallMs }) => sum + stallMs, 0) / (1000 * seconds);

const foreseen = ({ secondsToLimit }: GcStory['runs'][number]) =>
  secondsToLimit !== null && secondsToLimit <= 5;

const long = ({ runs }: GcStory) =>
  runs.filter(
    (run) => run.stallMs > 250 && (run.level === 'ok' || (run.level === 'warning' && !foreseen(run))),
  );

describe('a healthy agent, whatever it is', () => {
  const shapes = fc.record({
    kind: fc.constantFrom('flat', 'sawtooth', 'busy', 'after a burst'),
    top: share(0.6, 0.84),
    depth: share(0.02, 0.3),
    period: share(2, 120),
  });

  it('is not stopped for longer than 250 ms while nobody is turned away, and never beyond the budget', () => {
    fc.assert(
      fc.property(drawn, shapes, (agent, { kind, top, depth, period }) => {
        const at = (ratio: number) => Math.max(0, ratio - 0.05) * agent.limit;
        const story = live(agent, 300, (second, it) => {
          const phase = (second % period) / period;
          if (kind === 'flat') it.live = at(top);
          else if (kind === 'after a burst')
            it.live = at(second < 5 ? 0.2 + (second / 5) * (top - 0.2) : top);
          else if (kind === 'busy') it.live = at(top - depth * Math.abs(Math.sin(second * period)));
          else {
            it.live = at(top - depth);
            it.garbage = phase * depth * agent.limit; // collected by the runtime itself at the end
          }
        });
        expect(long(story)).toEqual([]);
        expect(stalledShare(story)).toBeLessThanOrEqual(0.1);
        expect(story.runs.filter((run) => run.level === 'ok' && !foreseen(run))).toEqual([]);
        if (kind === 'flat') expect(story.runs.length).toBeLessThanOrEqual(2);
      }),
      { seed: 9, numRuns: 30 },
    );
  });
});

describe('an agent that fills with garbage, whatever it is', () => {
  it('is collected before it meets the limit', () => {
    fc.assert(
      fc.property(drawn, share(0.1, 0.4), share(0.001, 0.03), (agent, kept, perSecond) => {
        // a quarter of what the budget has for a minute
        fc.pre(agent.price * MS_PER_MB[agent.runtime] * (kept + 0.15) * agent.limit < 1500);
        let most = 0;
        const story = live(agent, 300, (_second, it) => {
          it.live = kept * agent.limit;
          it.garbage += (perSecond / 10) * agent.limit;
          most = Math.max(most, it.held / agent.limit);
        });
        expect(most).toBeLessThan(1);
        expect(long(story)).toEqual([]);
        expect(stalledShare(story)).toBeLessThanOrEqual(0.15);
      }),
      { seed: 9, numRuns: 30 },
    );
  });
});
