import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { retry } from '../../../src/adapters/retry.ts';
import { SpillwayError } from '../../../src/core/lib/errors.ts';
import type { EventReason, GuardianEvent } from '../../../src/core/model/events.ts';
import type { Sink } from '../../../src/core/ports/sink.ts';
import {
  createNotifier,
  type DeliveryResult,
  type NotifierOptions,
} from '../../../src/exporters/notifier.ts';
import { goldenLines } from '../../support/golden.ts';

const said = goldenLines('notifier');
let n = 0;
const event = (reason: EventReason): GuardianEvent => ({
  id: `e${++n}`,
  reason,
  type: 'Warning',
  note: reason,
  at: '2026-01-02T03:04:05.000Z',
  count: 1,
  status: {} as GuardianEvent['status'],
});
const STORY = ['MemoryPressureWarning', 'MemoryPressureShedding', 'MemoryPressureCritical'] as const;

/** A sink that keeps what it took; `answer` may fail or hang. */
function memorySink(name: string, answer: (event: GuardianEvent, attempt: number) => unknown = () => {}) {
  const taken: GuardianEvent[] = [];
  let attempts = 0;
  const sink: Sink = {
    name,
    deliver: async (each) => {
      await answer(each, ++attempts);
      taken.push(each);
    },
  };
  return { sink, taken, reasons: () => taken.map((each) => each.reason) };
}

function harness(sinks: Sink[], options: Partial<NotifierOptions> = {}) {
  const counts: Record<string, number> = {};
  const problems: string[] = [];
  const notifier = createNotifier({
    sinks,
    retry,
    firstWaitMs: 5,
    onResult: (sink, result, by) => {
      counts[`${sink} ${result}`] = (counts[`${sink} ${result}`] ?? 0) + by;
    },
    onProblem: (sink, message) => problems.push(`${sink}: ${message}`),
    ...options,
  });
  return {
    notifier,
    problems,
    counts,
    count: (sink: string, result: DeliveryResult) => counts[`${sink} ${result}`] ?? 0,
  };
}

const never = () => new Promise(() => {});

describe('notifier', () => {
  it('tells every sink in order, after the emitter has gone on', async () => {
    const a = memorySink('a');
    const b = memorySink('b');
    const { notifier, count } = harness([a.sink, b.sink]);
    for (const reason of STORY) notifier.emit(event(reason));
    expect(a.taken).toHaveLength(0);
    expect(await notifier.close(2000)).toEqual([]);
    expect(a.reasons()).toEqual(STORY);
    expect(b.reasons()).toEqual(STORY);
    expect(count('a', 'delivered')).toBe(3);
  });

  it('keeps order and loses nothing while a sink is away, and says so once', async () => {
    const away = memorySink('a', (_, attempt) => {
      if (attempt <= 4) throw new SpillwayError('sink', 'nobody there');
    });
    const { notifier, count, problems } = harness([away.sink]);
    for (const reason of STORY) notifier.emit(event(reason));
    await vi.waitFor(() => expect(away.reasons()).toEqual(STORY), { timeout: 5000 });
    expect(count('a', 'retried')).toBe(4);
    expect(count('a', 'delivered')).toBe(3);
    expect(problems).toEqual(['a: nobody there; retrying']);
  });

  it('lets a death pass an event that is never taken, and gives that up once others are', async () => {
    const sink = memorySink('a', ({ reason }) => {
      if (reason === 'MemoryPressureCritical') throw new SpillwayError('sink', 'answered 500');
    });
    const { notifier, count, problems } = harness([sink.sink]);
    for (const reason of ['MemoryPressureCritical', 'AgentOOMKilled'] as const) notifier.emit(event(reason));
    await vi.waitFor(() => expect(sink.reasons()).toEqual(['AgentOOMKilled']), { timeout: 10_000 });
    expect(count('a', 'rejected')).toBe(0); // alone, it is in nobody's way
    notifier.emit(event('MemoryPressureRecovered'));
    await vi.waitFor(() => expect(sink.reasons()).toEqual(['AgentOOMKilled', 'MemoryPressureRecovered']), {
      timeout: 10_000,
    });
    expect(count('a', 'rejected')).toBe(1);
    said('given up', problems.at(-1), { ID: /\be\d+\b/g });
  });

  it('tells a death at the end behind an event that is never taken', async () => {
    const sink = memorySink('a', ({ reason }) => {
      if (reason === 'MemoryPressureCritical') throw new SpillwayError('sink', 'answered 500');
    });
    const { notifier } = harness([sink.sink], { firstWaitMs: 60_000 });
    for (const reason of ['MemoryPressureCritical', 'AgentOOMKilled'] as const) notifier.emit(event(reason));
    expect(await notifier.close(1500)).toEqual([{ sink: 'a', lost: 1 }]);
    expect(sink.reasons()).toEqual(['AgentOOMKilled']);
  });

  it('lets a hanging sink delay no other', async () => {
    const hanging = memorySink('hanging', never);
    const fast = memorySink('fast');
    const { notifier } = harness([hanging.sink, fast.sink]);
    for (const reason of STORY) notifier.emit(event(reason));
    await vi.waitFor(() => expect(fast.reasons()).toEqual(STORY));
    expect(await notifier.close(20)).toEqual([{ sink: 'hanging', lost: 3 }]);
  });

  it('ends an attempt at its time limit, also when the sink ignores its signal', async () => {
    const sink = memorySink('a', (_, attempt) => (attempt === 1 ? never() : undefined));
    const { notifier, problems, count } = harness([sink.sink], { attemptMs: 30 });
    notifier.emit(event('MemoryPressureWarning'));
    await vi.waitFor(() => expect(count('a', 'delivered')).toBe(1), { timeout: 5000 });
    expect(problems[0]).toBe('a: no answer within 30 ms; retrying');
  });

  it('merges what waits, never what is on its way', async () => {
    let open = () => {};
    const wait = new Promise<void>((resolve) => {
      open = resolve;
    });
    const sink = memorySink('a', () => wait);
    const { notifier, count } = harness([sink.sink]);
    notifier.emit(event('MemoryPressureWarning'));
    await sleep(10);
    for (let i = 0; i < 3; i++) notifier.emit(event('MemoryPressureWarning'));
    open();
    await vi.waitFor(() => expect(sink.taken).toHaveLength(2));
    expect(sink.taken.map((each) => each.count)).toEqual([1, 3]);
    expect(count('a', 'merged')).toBe(2);
  });

  it('keeps the queue bounded: what does not fit is counted with a later one of its kind', async () => {
    const sink = memorySink('a', never);
    const { notifier, count } = harness([sink.sink], { maxWaiting: 10 });
    for (let i = 0; i < 1000; i++) notifier.emit(event(STORY[i % 3] ?? STORY[0]));
    await sleep(10);
    for (let i = 0; i < 5; i++) notifier.emit(event(STORY[i % 3] ?? STORY[0]));
    expect(count('a', 'merged')).toBe(1005 - 11);
    const [loss] = await notifier.close(10);
    expect(loss?.lost).toBe(11); // ten waiting, one on its way
  });

  it('gives up what is without a later one of its kind', async () => {
    const sink = memorySink('a', never);
    const { notifier, count } = harness([sink.sink], { maxWaiting: 2 });
    for (const reason of ['AgentStuck', ...STORY] as const) notifier.emit(event(reason));
    expect(count('a', 'dropped')).toBe(2);
    await notifier.close(10);
  });

  it('keeps to the rate of a sink: what may go passes, what may not waits until it may', async () => {
    const plain = memorySink('a');
    let openAt = Number.POSITIVE_INFINITY;
    const sink: Sink = {
      ...plain.sink,
      permit: ({ reason }) => (reason === 'AgentExited' ? 0 : Math.max(0, openAt - performance.now())),
    };
    const { notifier, count } = harness([sink]);
    notifier.emit(event('MemoryPressureWarning'));
    await sleep(20);
    notifier.emit(event('AgentExited'));
    await vi.waitFor(() => expect(plain.reasons()).toEqual(['AgentExited']));
    openAt = performance.now() + 50;
    notifier.emit(event('MemoryPressureShedding'));
    await vi.waitFor(() => expect(count('a', 'delivered')).toBe(3), { timeout: 5000 });
    expect(performance.now()).toBeGreaterThanOrEqual(openAt);
    expect(plain.reasons()).toEqual(['AgentExited', 'MemoryPressureWarning', 'MemoryPressureShedding']);
  });

  it('waits between attempts no longer than the sink wants', async () => {
    const at: number[] = [];
    const plain = memorySink('a', (_, attempt) => {
      at.push(performance.now());
      if (attempt <= 4) throw new Error('away');
    });
    const { notifier, count } = harness([{ ...plain.sink, maxWaitMs: 50 }], { firstWaitMs: 40 });
    notifier.emit(event('MemoryPressureWarning'));
    await vi.waitFor(() => expect(count('a', 'delivered')).toBe(1), { timeout: 5000 });
    expect((at[4] ?? 0) - (at[3] ?? 0)).toBeLessThan(150); // doubled thrice it would be 320 or more
  });

  it('asks no sink for its rate at the end', async () => {
    const plain = memorySink('a');
    const { notifier } = harness([{ ...plain.sink, permit: () => Number.POSITIVE_INFINITY }]);
    for (const reason of STORY) notifier.emit(event(reason));
    await sleep(20);
    expect(plain.taken).toEqual([]);
    expect(await notifier.close(2000)).toEqual([]);
    expect(plain.reasons()).toEqual(STORY);
  });

  it('does not repeat what is refused for good, and goes on with the next', async () => {
    const sink = memorySink('a', (each) => {
      if (each.reason === 'MemoryPressureWarning')
        throw new SpillwayError('sink', '400 Bad Request', { retryable: false });
    });
    const { notifier, count, problems } = harness([sink.sink]);
    for (const reason of STORY) notifier.emit(event(reason));
    await vi.waitFor(() => expect(count('a', 'delivered')).toBe(2));
    expect(count('a', 'rejected')).toBe(1);
    expect(count('a', 'retried')).toBe(0);
    said('refused for good', problems[0], { ID: /\be\d+\b/g });
  });

  it('waits at least as long as the receiver asks', async () => {
    const at: number[] = [];
    const sink = memorySink('a', (_, attempt) => {
      at.push(performance.now());
      if (attempt === 1) throw new SpillwayError('sink', '429', { retryAfterMs: 1100 });
    });
    const { notifier, count } = harness([sink.sink]);
    notifier.emit(event('MemoryPressureWarning'));
    await vi.waitFor(() => expect(count('a', 'delivered')).toBe(1), { timeout: 5000 });
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(1090);
  });

  it('on closing does not sit out a long back-off, but tries at once', async () => {
    let away = true;
    const sink = memorySink('a', () => {
      if (away) throw new Error('away');
    });
    const { notifier, count } = harness([sink.sink], { firstWaitMs: 60_000 });
    for (const reason of STORY) notifier.emit(event(reason));
    await vi.waitFor(() => expect(count('a', 'retried')).toBe(1));
    away = false;
    expect(await notifier.close(5000)).toEqual([]);
    expect(sink.reasons()).toEqual(STORY);
  });

  it('on closing tells how much a sink lost, and takes nothing more', async () => {
    const sink = memorySink('a', () => {
      throw new Error('away');
    });
    const { notifier, count } = harness([sink.sink]);
    for (const reason of STORY) notifier.emit(event(reason));
    expect(await notifier.close(50)).toEqual([{ sink: 'a', lost: 3 }]);
    notifier.emit(event('AgentExited'));
    expect(count('a', 'dropped')).toBe(4);
  });

  it('on closing does not stay for a receiver that wants to be left alone for longer', async () => {
    const sink = memorySink('a', () => {
      throw new SpillwayError('sink', '403', { retryAfterMs: 120_000 });
    });
    const { notifier, count } = harness([sink.sink]);
    for (const reason of STORY) notifier.emit(event(reason));
    await vi.waitFor(() => expect(count('a', 'retried')).toBe(1));
    const asked = performance.now();
    expect(await notifier.close(5000)).toEqual([{ sink: 'a', lost: 3 }]);
    expect(performance.now() - asked).toBeLessThan(1000);
    expect(count('a', 'retried')).toBe(2);
  });

  it('does not repeat an event that was taken while closing began', async () => {
    let taking = () => {};
    const sink = memorySink(
      'a',
      () =>
        new Promise<void>((resolve) => {
          taking = resolve;
        }),
    );
    const { notifier, count } = harness([sink.sink]);
    notifier.emit(event('AgentOOMKilled'));
    await sleep(10);
    const closed = notifier.close(2000);
    taking();
    expect(await closed).toEqual([]);
    expect(sink.taken).toHaveLength(1);
    expect(count('a', 'delivered')).toBe(1);
  });

  it('treats a sink that throws at once like any other failure', async () => {
    let calls = 0;
    const sink: Sink = {
      name: 'a',
      deliver: () => {
        if (++calls === 1) throw new Error('not even a promise');
        return Promise.resolve();
      },
    };
    const { notifier, count } = harness([sink]);
    expect(() => notifier.emit(event('AgentExited'))).not.toThrow();
    await vi.waitFor(() => expect(count('a', 'delivered')).toBe(1), { timeout: 5000 });
  });
});
