import { describe, expect, it } from 'vitest';
import { drawLoad } from '../../../src/demo/load.ts';
import { offeredBy } from '../../../src/demo/recording.ts';

describe('the load of the demo', () => {
  it('follows from its seed', () => {
    expect(drawLoad(7)).toEqual(drawLoad(7));
    expect(drawLoad(7)).not.toEqual(drawLoad(8));
  });

  it('brings users in the order of time, each with something to ask', () => {
    const load = drawLoad(7);
    expect(load.map(({ atMs }) => atMs)).toEqual(load.map(({ atMs }) => atMs).sort((a, b) => a - b));
    expect(load.filter(({ turns }) => turns.length === 0)).toEqual([]);
  });

  it('is counted by users, requests and arrivals', () => {
    const turn = { kilobytes: 1, thinkMs: 1 };
    const load = [
      { atMs: 100, turns: [turn] },
      { atMs: 900, turns: [turn, turn] },
      { atMs: 2100, turns: [turn] },
    ];
    expect(offeredBy(load)).toEqual({ conversations: 3, requests: 4, arrivals: [2, 0, 1] });
  });
});
