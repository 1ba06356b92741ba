import { describe, expect, it } from 'vitest';
import { TickLoop } from '../../../../src/core/pressure/tick-loop.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

function loopOf(intervalMs: number) {
  const clock = new FakeClock();
  const ticks: number[] = [];
  const loop = new TickLoop({
    clock,
    intervalMs: () => intervalMs,
    tick: (now) => void ticks.push(now),
    observe: () => {},
  });
  loop.start();
  return { clock, ticks, loop };
}

describe('the loop', () => {
  it('ticks at its interval', async () => {
    const { clock, ticks } = loopOf(1000);
    await clock.advance(3000);
    expect(ticks).toEqual([0, 1000, 2000, 3000]);
  });

  it('ticks for a request where the last look is older than 50 ms, and then after a whole interval', async () => {
    const { clock, ticks, loop } = loopOf(1000);
    await clock.advance(40);
    loop.tickIfDue();
    await clock.advance(20);
    loop.tickIfDue();
    await clock.advance(1000);
    expect(ticks).toEqual([0, 60, 1060]);
  });

  it('ticks at once on demand, and not once it has stopped', async () => {
    const { clock, ticks, loop } = loopOf(1000);
    await clock.advance(10);
    loop.tickNow();
    loop.stop();
    loop.tickNow();
    loop.tickIfDue();
    expect(ticks).toEqual([0, 10]);
  });

  it('is healthy while no tick is a second late, however long the interval', async () => {
    const { clock, loop } = loopOf(10_000);
    await clock.advance(9_000);
    expect(loop.healthy).toBe(true);
    clock.nowMs += 1_999;
    expect(loop.healthy).toBe(true);
    clock.nowMs += 1;
    expect(loop.healthy).toBe(false);
  });
});
