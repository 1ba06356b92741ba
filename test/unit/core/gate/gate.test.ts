import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GateEntry } from '../../../../src/core/pressure/gate/entry.ts';
import { Gate } from '../../../../src/core/pressure/gate/gate.ts';
import type { GateMemory } from '../../../../src/core/pressure/gate/memory-room.ts';
import { drawLoad, runLoad } from '../../../support/drawn-requests.ts';

const MIB = 2 ** 20;

function memory(usedMiB: number, limitMiB = 200): GateMemory {
  return {
    uses: [{ usedBytes: usedMiB * MIB, limitBytes: limitMiB * MIB }],
    shedRatio: 0.85,
    criticalRatio: 0.92,
  };
}

/** A gate with a clock, and what became of each request. */
function story(start = memory(100)) {
  const gate = new Gate();
  const began: number[] = [];
  const refused: { id: number; seconds: number }[] = [];
  const entries: GateEntry[] = [];
  let now = 0;
  gate.observe(start, now);
  return {
    gate,
    began,
    refused,
    now: () => now,
    enter(
      more: {
        weight?: number;
        heldBytes?: number;
        maxWaitMs?: number;
        criticalWaitMs?: number;
        lastingMs?: number;
        kind?: string;
        within?: GateEntry;
      } = {},
    ) {
      const id = entries.length;
      const entry = gate.enter(
        {
          kind: 'POST /chat',
          heldBytes: 32_768,
          ...more,
          admit: () => void began.push(id),
          refuse: (seconds) => void refused.push({ id, seconds }),
        },
        now,
      );
      entries.push(entry);
      if (entry.state === 'running') began.push(id);
      if (entry.state === 'refused') refused.push({ id, seconds: entry.retryAfterSeconds });
      return entry;
    },
    end(id: number) {
      const entry = entries[id];
      if (entry) gate.leave(entry, now);
    },
    /** Time passes, with memory as it is at its end. */
    pass(ms: number, at: GateMemory | null = start) {
      for (let left = ms; left > 0; left -= 50) {
        now += Math.min(50, left);
        gate.observe(at, now);
      }
    },
  };
}

describe('who may start', () => {
  test('without memory known, everybody', () => {
    const { gate, enter } = story();
    gate.observe(null, 0);
    for (let i = 0; i < 500; i++) enter();
    expect(gate.inFlight).toBe(500);
  });

  test('at once as many as free memory surely bears, more once these have shown what they hold', () => {
    const { gate, enter, pass } = story();
    for (let i = 0; i < 30; i++) enter();
    expect(gate.inFlight).toBe(2);
    pass(900);
    expect(gate.inFlight).toBeLessThanOrEqual(3);
    pass(100);
    const shown = gate.inFlight;
    expect(shown).toBeGreaterThanOrEqual(4);
    pass(1000);
    expect(gate.inFlight).toBeGreaterThanOrEqual(8);
  });

  test('with much memory free, more at once', () => {
    const { gate, enter } = story(memory(100, 8192));
    for (let i = 0; i < 100; i++) enter();
    expect(gate.inFlight).toBe(100);
  });

  test('one at a time near the limit, and never nobody', () => {
    const { gate, enter, pass, end } = story(memory(195));
    pass(3000, memory(195));
    for (let i = 0; i < 3; i++) enter();
    expect(gate.inFlight).toBe(1);
    end(0);
    expect(gate.inFlight).toBe(1);
  });

  test('above the critical ratio nobody while use still moves', () => {
    const { gate, enter, pass } = story(memory(150));
    pass(100, memory(186));
    enter();
    expect(gate.inFlight).toBe(0);
    pass(2000, memory(186));
    expect(gate.inFlight).toBe(1);
  });

  test('above the critical ratio, each sooner than the one before as long as none moves anything', () => {
    const { began, enter, pass, end } = story(memory(1950, 2000));
    for (let i = 0; i < 4; i++) enter();
    pass(2000, memory(1950, 2000));
    expect(began).toEqual([0]);
    end(0);
    expect(began).toEqual([0, 1]);
    pass(50, memory(1985, 2000));
    end(1);
    pass(1900, memory(1985, 2000));
    expect(began).toEqual([0, 1]);
    pass(150, memory(1985, 2000));
    expect(began).toEqual([0, 1, 2]);
    end(2);
    expect(began).toEqual([0, 1, 2, 3]);
  });

  test('above the critical ratio, not ever sooner where each keeps a little', () => {
    const { gate, began, enter, pass, end } = story(memory(1860, 2000));
    let usedMiB = 1860;
    for (let i = 0; i < 60; i++) enter({ maxWaitMs: 60_000 });
    for (let ms = 0; ms < 10_000; ms += 100) {
      pass(50, memory(usedMiB, 2000));
      if (gate.inFlight > 0) usedMiB += 6;
      pass(50, memory(usedMiB, 2000));
      if (gate.inFlight > 0) end(began.length - 1);
    }
    expect(began.length).toBeLessThan(40);
  });

  test('others beside one that lasts', () => {
    const { gate, enter, pass } = story(memory(195));
    enter({ lastingMs: 2000 });
    enter({ maxWaitMs: 60_000 });
    enter({ maxWaitMs: 60_000 });
    pass(1900, memory(195));
    expect(gate.inFlight).toBe(1);
    pass(200, memory(195));
    expect(gate.inFlight).toBe(2);
    pass(30_000, memory(195));
    expect(gate.inFlight).toBe(3);
  });

  test('a part of what is in flight in place of that, before who comes from outside', () => {
    const { gate, began, enter, end } = story(memory(195));
    const outer = enter();
    enter();
    const part = enter({ within: outer });
    expect(began).toEqual([0, 2]);
    enter({ within: outer });
    enter({ within: part });
    expect(began).toEqual([0, 2, 4]);
    for (const id of [4, 2]) end(id);
    expect(began).toEqual([0, 2, 4, 3]);
    for (const id of [3, 0]) end(id);
    expect(began).toEqual([0, 2, 4, 3, 1]);
    end(1);
    expect(gate.inFlight).toBe(0);
  });

  test('what ends before its parts, or has parts refused, counts right afterwards', () => {
    const { gate, began, enter, end, pass } = story(memory(195));
    const outer = enter();
    enter({ within: outer });
    enter({ within: outer, maxWaitMs: 100 });
    end(0);
    pass(200);
    end(1);
    enter();
    enter();
    expect([gate.inFlight, gate.waiting, began]).toEqual([1, 1, [0, 1, 3]]);
  });

  test('a kind that was heavy waits for its room, a light one does not', () => {
    const { gate, enter, pass, end } = story();
    enter({ kind: 'heavy' });
    pass(1000, memory(140));
    end(0);
    pass(1000, memory(100));
    enter({ kind: 'heavy' });
    enter({ kind: 'heavy' });
    expect(gate.inFlight).toBe(1);
  });

  test('beside a job that has taken much and rests, far from the limit', () => {
    const { enter, pass, end } = story(memory(60));
    for (let id = 0; id < 5; id++) {
      enter({ kind: 'light' });
      end(id);
    }
    enter({ kind: 'job' });
    for (const usedMiB of [90, 118, 118, 118]) pass(1000, memory(usedMiB));
    expect(enter({ kind: 'light' }).state).toBe('running');
    expect(enter({ kind: 'other job' }).state).toBe('running');
  });

  test('beside a job of which little is known, while others of which much is known raise use', () => {
    const { enter, pass, end } = story(memory(40));
    const serves = (id: number, usedMiB: number) => {
      const { state } = enter({ kind: 'grows' });
      pass(150, memory(usedMiB));
      end(id);
      return state;
    };
    for (let id = 0; id < 5; id++) serves(id, 44 + 4 * id);
    enter({ kind: 'job' });
    for (let id = 6; id < 20; id++) expect(serves(id, 40 + 4 * id)).toBe('running');
  });

  test('long answers that hold little let others in although none of them ends', () => {
    const { gate, enter, pass } = story();
    for (let i = 0; i < 20; i++) enter({ maxWaitMs: 30_000 });
    pass(10_000);
    expect(gate.inFlight).toBe(20);
  });
});

describe('who waits', () => {
  test('starts in the order of arrival', () => {
    const { began, enter, end } = story();
    for (let i = 0; i < 10; i++) enter();
    for (let id = 0; id < 10; id++) end(id);
    expect(began).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('is refused after its time', () => {
    const { refused, enter, pass } = story(memory(190));
    pass(2000);
    enter();
    enter({ maxWaitMs: 2000 });
    pass(1950);
    expect(refused).toEqual([]);
    pass(100);
    expect(refused.map(({ id }) => id)).toEqual([1]);
    expect(refused[0]?.seconds).toBeGreaterThanOrEqual(1);
  });

  test('is refused sooner above the critical ratio, with nothing in flight that could end', () => {
    const { gate, refused, enter, pass } = story(memory(150));
    pass(100, memory(186));
    for (const usedMiB of [186, 189, 192, 195]) {
      enter({ criticalWaitMs: 3000 });
      pass(1000, memory(usedMiB)); // use moves: nobody starts
    }
    expect(refused.map(({ id }) => id)).toEqual([0, 1]);
    expect(gate.waiting).toBe(2);
  });

  test('and leaves, does not start later', () => {
    const { gate, began, enter, end } = story();
    for (let i = 0; i < 4; i++) enter();
    end(2);
    end(0);
    expect(began).toEqual([0, 1, 3]);
    expect(gate.waiting).toBe(0);
  });

  test('is refused at once where too much is held back already', () => {
    const { gate, refused, enter } = story();
    for (let i = 0; i < 400; i++) enter({ heldBytes: 64 * 1024 });
    expect(gate.waiting * 64 * 1024).toBeLessThanOrEqual(0.04 * 200 * MIB);
    expect(refused.length).toBe(400 - gate.waiting - gate.inFlight);
  });

  test('is refused at once when the agent is drained, as is who comes', () => {
    const { gate, refused, enter } = story();
    for (let i = 0; i < 5; i++) enter();
    gate.drain(4);
    enter();
    expect(refused).toEqual([2, 3, 4, 5].map((id) => ({ id, seconds: 4 })));
    expect(gate.inFlight).toBe(2);
    gate.drain(null);
    expect(enter().state).toBe('waiting');
  });
});

test('whatever comes and goes: each request starts once or is refused once, in order, and nobody waits for ever', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('enter' as const), weight: fc.constantFrom(1, 1, 2, 8) }),
    fc.record({ kind: fc.constant('end' as const), id: fc.nat(60) }),
    fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.nat(3000),
      usedMiB: fc.integer({ min: 50, max: 199 }),
    }),
    fc.record({ kind: fc.constant('drain' as const), seconds: fc.option(fc.integer({ min: 1, max: 30 })) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { gate, began, refused, enter, end, pass } = story();
      let count = 0;
      const ended = new Set<number>();
      for (const each of steps)
        if (each.kind === 'enter') {
          enter({ weight: each.weight });
          count++;
        } else if (each.kind === 'end') {
          if (each.id < count) ended.add(each.id);
          end(each.id);
        } else if (each.kind === 'pass') pass(each.ms, memory(each.usedMiB));
        else gate.drain(each.seconds);
      pass(11_000, memory(198));
      const seen = [...began, ...refused.map(({ id }) => id)];
      expect(new Set(seen).size).toBe(seen.length);
      expect(began).toEqual(began.toSorted((a, b) => a - b));
      expect(gate.waiting).toBe(0);
      expect(gate.inFlight).toBe(began.filter((id) => !ended.has(id)).length);
      for (let id = 0; id < count; id++) if (!ended.has(id)) expect(seen).toContain(id);
    }),
  );
});

test('drawn loads live through what kills without it', () => {
  const totals = {
    offered: 0,
    without: { served: 0, broken: 0, kills: 0 },
    with: { served: 0, broken: 0, kills: 0 },
  };
  for (let seed = 1; seed <= 40; seed++) {
    const load = drawLoad(seed);
    totals.offered += load.requests.length;
    for (const gated of [false, true]) {
      const { served, broken, kills } = runLoad(load, gated);
      const total = gated ? totals.with : totals.without;
      total.served += served;
      total.broken += broken;
      total.kills += kills;
    }
  }
  expect(totals.without.kills).toBeGreaterThan(10);
  expect(totals.with.kills).toBeLessThan(totals.without.kills / 8);
  expect(totals.with.broken).toBeLessThan(0.01 * totals.offered);
  expect(totals.with.served).toBeGreaterThan(1.1 * totals.without.served);
});

test('an agent that rests near its limit after it has loaded something large serves what is light', () => {
  const drawn = Array.from({ length: 120 }, (_, i) => drawLoad(i + 1));
  const total = { offered: 0, refused: 0, kills: 0 };
  for (const load of drawn.filter(({ name }) => name === 'rests')) {
    const { refused, kills } = runLoad(load, true);
    total.offered += load.requests.length;
    total.refused += refused;
    total.kills += kills;
  }
  expect(total.offered).toBeGreaterThan(500);
  expect(total.refused).toBeLessThan(0.2 * total.offered);
  expect(total.kills).toBe(0);
});

test('a rush of users fills memory with what is in flight, and kills nothing', () => {
  for (const seed of [20, 194, 1146]) {
    const load = drawLoad(seed);
    expect(load.name).toBe('rush');
    const without = runLoad(load, false);
    const { served, broken, kills } = runLoad(load, true);
    expect({ broken, kills }, `seed ${seed}`).toEqual({ broken: 0, kills: 0 });
    expect(served, `seed ${seed}`).toBeGreaterThan(2 * without.served);
  }
});

test('an agent that is busy, and comes to what has ended and to what may begin long after, lives through a rush', () => {
  for (const seed of [888, 1022, 1069]) {
    const load = drawLoad(seed);
    expect(load.name).toBe('busy');
    const { broken, kills } = runLoad(load, true);
    expect({ broken, kills }, `seed ${seed}`).toEqual({ broken: 0, kills: 0 });
  }
});

test('large tool outputs among light requests of one route, again and again, do not start together', () => {
  for (const seed of [228, 248, 371]) {
    const load = drawLoad(seed);
    expect(load.name).toBe('tools');
    const { served, broken, kills } = runLoad(load, true);
    expect({ broken, kills }, `seed ${seed}`).toEqual({ broken: 0, kills: 0 });
    expect(served, `seed ${seed}`).toBeGreaterThan(0.5 * load.requests.length);
  }
});

test('light requests by the hundred are served by an agent that loads an index as they come', () => {
  const MB = 1e6;
  const light = Array.from({ length: 4500 }, (_, i) => ({
    atMs: 10 * i,
    kind: 'light',
    heldBytes: 0.05 * MB,
  }));
  const pieces = Array.from({ length: 20 }, (_, i) => ({ atMs: 250 * i, keptBytes: 13 * MB, heldBytes: 0 }));
  const requests = [...light, ...pieces.map((piece) => ({ ...piece, kind: 'index' }))]
    .toSorted((a, b) => a.atMs - b.atMs)
    .map((each) => ({ ...each, garbageBytes: 0.2 * MB, durationMs: 1000, takesFrom: 0, takesUntil: 0.1 }));
  const loop = { requestMs: 0, collectionMs: 0 };
  const agent = { limitBytes: 512 * MIB, baseBytes: 90 * MB, processors: Number.POSITIVE_INFINITY, loop };
  const { refused, waitP90Ms } = runLoad({ name: 'index', ...agent, requests }, true);
  expect(refused).toBe(0);
  expect(waitP90Ms).toBeLessThan(2000);
});

test('light loads wait for nobody to speak of', () => {
  const light = Array.from({ length: 120 }, (_, i) => drawLoad(i + 1)).filter(({ name }) => name === 'light');
  const outcomes = light.map((load) => runLoad(load, true));
  expect(outcomes.length).toBeGreaterThan(5);
  for (const { refused, broken, waitP90Ms } of outcomes) {
    expect({ refused, broken }).toEqual({ refused: 0, broken: 0 });
    expect(waitP90Ms).toBeLessThan(500);
  }
});

describe('the end of what is in flight', () => {
  test('is forecast by how long requests of its kind have taken', () => {
    const { gate, enter, pass, end, now } = story();
    for (let id = 0; id < 20; id++) {
      enter({ kind: id % 2 ? 'GET /light' : 'POST /slow' });
      pass(id % 2 ? 100 : 8000);
      end(id);
    }
    expect(gate.endsInMs(now())).toBe(0);
    enter({ kind: 'GET /light' });
    expect(gate.endsInMs(now())).toBeLessThan(500);
    enter({ kind: 'POST /slow' });
    expect(gate.endsInMs(now())).toBeGreaterThan(8000);
    pass(5000);
    end(20);
    expect(gate.endsInMs(now())).toBeGreaterThan(3000);
    expect(gate.endsInMs(now())).toBeLessThan(8000);
    pass(20_000);
    expect(gate.endsInMs(now()), 'longer than any: as long again').toBeGreaterThan(10_000);
    pass(20_000);
    expect(gate.endsInMs(now()), 'one that lasts').toBe(0);
    enter({ kind: 'POST /slow', lastingMs: 2000 });
    pass(3000);
    expect(gate.endsInMs(now()), 'one that lasts as others of its kind').toBeGreaterThan(5000);
  });
});

test('heavy requests of a kind that was light keep others waiting as long as they raise use', () => {
  const { gate, enter, pass, end } = story(memory(80));
  const ids = (n: number) => {
    for (let i = 0; i < n; i++) enter();
  };
  for (let id = 0; id < 10; id++) {
    enter();
    pass(100, memory(80));
    end(id);
  }
  ids(3);
  for (let i = 0; i < 10; i++) pass(100, memory(80 + 5 * i));
  expect(enter().state, 'they have raised it by so much that as much again does not fit').toBe('waiting');
  pass(3000, memory(125));
  expect(gate.inFlight, 'it rests').toBe(4);
});

test('what a heavy request holds is not shared with streams that have lasted', () => {
  const { gate, enter, pass, end } = story(memory(500, 1000));
  for (let id = 0; id < 100; id++) enter({ kind: 'GET /events', lastingMs: 2000 });
  pass(3000);
  for (let i = 0; i < 8; i++) {
    enter({ kind: 'POST /document' });
    pass(1000, memory(560, 1000));
    end(100 + i);
    pass(1000);
  }
  pass(3000, memory(780, 1000));
  for (let i = 0; i < 4; i++) enter({ kind: 'POST /document' });
  expect(gate.inFlight - 100).toBe(1);
});

test('streams that have lasted, as long as others of their kind do, keep nobody waiting', () => {
  const { enter, pass, end } = story(memory(500, 1000));
  let ended = 0;
  const ends = (count: number, kind: string, ms: number, at: number) => {
    for (let i = 0; i < count; i++) {
      enter({ kind, lastingMs: 2000 });
      pass(ms, memory(at, 1000));
      end(ended++);
      pass(1000);
    }
  };
  ends(6, 'GET /events', 60_000, 504);
  ends(20, 'POST /chat', 100, 500);
  for (let i = 0; i < 100; i++) enter({ kind: 'GET /events', lastingMs: 2000 });
  pass(5000, memory(600, 1000));
  expect(enter({ kind: 'POST /chat' }).state).toBe('running');
});

test('what raises use keeps nobody waiting where as much again fits', () => {
  const { enter, pass, end } = story(memory(30));
  for (let id = 0; id < 10; id++) {
    enter();
    pass(100, memory(30));
    end(id);
  }
  enter({ kind: 'POST /long' });
  for (let i = 0; i < 12; i++) {
    pass(100, memory(30 + 2.5 * i));
    expect(enter().state).toBe('running');
    end(11 + i);
  }
});
