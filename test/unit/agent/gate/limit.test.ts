import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { limit } from '../../../../src/agent/gate/limit.ts';
import { OverloadedError } from '../../../../src/agent/gate/overloaded-error.ts';
import { fakePressure } from '../../../support/fake-pressure.ts';

/** Next to the limit, and flat: one at a time. */
const FULL = 0.97;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** Time passes, and what begins meanwhile does so. */
async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await new Promise((resolve) => setImmediate(resolve));
}
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Work that notes its beginning and lasts as long as is said. */
function worker() {
  const began: number[] = [];
  return {
    began,
    work: (id: number, ms: number) => async () => {
      began.push(id);
      await sleep(ms);
      return id;
    },
  };
}

describe('limit', () => {
  test('begins at once while memory is unknown, and gives what the work gives', async () => {
    const limited = limit({ pressure: fakePressure(null) });
    const { began, work } = worker();
    const all = Promise.all([0, 1, 2].map((id) => limited(work(id, 100))));
    expect(began).toEqual([0, 1, 2]);
    await pass(100);
    expect(await all).toEqual([0, 1, 2]);
    expect(await limited(() => 'plain')).toBe('plain');
  });

  test('near the limit begins one after another, in order, whatever becomes of each', async () => {
    const limited = limit({ pressure: fakePressure(FULL) });
    const { began, work } = worker();
    const failed = new Error('its own');
    const all = Promise.allSettled([
      limited(work(0, 100)),
      limited(() => {
        throw failed;
      }),
      limited(() => Promise.reject(failed)),
      limited(work(3, 100)),
    ]);
    expect(began).toEqual([0]);
    await pass(99);
    expect(began).toEqual([0]);
    await pass(1000);
    const rejected = { status: 'rejected', reason: failed };
    const fulfilled = (value: number) => ({ status: 'fulfilled', value });
    expect(await all).toEqual([fulfilled(0), rejected, rejected, fulfilled(3)]);
  });

  test('shares one gate per pressure', async () => {
    const pressure = fakePressure(FULL);
    const { began, work } = worker();
    const all = [limit({ pressure })(work(0, 100)), limit({ pressure, kind: 'other' })(work(1, 100))];
    const apart = limit({ pressure: fakePressure(FULL) })(work(2, 100));
    expect(began).toEqual([0, 2]);
    await pass(300);
    expect(await Promise.all([...all, apart])).toEqual([0, 1, 2]);
  });

  test('rejects who has waited for too long', async () => {
    const limited = limit({ pressure: fakePressure(FULL), maxWaitMs: 1000 });
    const { began, work } = worker();
    const first = limited(work(0, 5000));
    const second = limited(work(1, 100)).catch((thrown) => thrown);
    await pass(1100);
    const error: unknown = await second;
    expect(error).toBeInstanceOf(OverloadedError);
    expect(error).toMatchObject({ retryAfterSeconds: expect.any(Number) });
    await pass(5000);
    expect(await first).toBe(0);
    expect(began).toEqual([0]);
  });

  test('lets in all once the pressure is closed', async () => {
    const pressure = fakePressure(FULL);
    const limited = limit({ pressure });
    const { began, work } = worker();
    const all = [0, 1].map((id) => limited(work(id, 500)));
    pressure.close();
    all.push(limited(work(2, 500)));
    await pass(1);
    expect(began.toSorted()).toEqual([0, 1, 2]);
    await pass(500);
    await Promise.all(all);
  });

  test('survives a pressure that throws, or is none', async () => {
    const broken = fakePressure(null);
    Object.defineProperty(broken, 'ratio', {
      get() {
        throw new Error('broken');
      },
    });
    expect(await limit({ pressure: Object.freeze(broken) })(() => 1)).toBe(1);
    const none: unknown = undefined;
    expect(await limit({ pressure: none as typeof broken })(() => 2, { weight: Number.NaN })).toBe(2);
  });

  test('begins in the asynchronous context of its call', async () => {
    const limited = limit({ pressure: fakePressure(FULL) });
    const user = new AsyncLocalStorage<string>();
    const { work } = worker();
    const first = user.run('first', () => limited(work(0, 100)));
    const second = user.run('second', () => limited(() => user.getStore()));
    await pass(200);
    expect([await first, await second]).toEqual([0, 'second']);
  });
});

describe('a signal', () => {
  test('that is aborted before begins nothing', async () => {
    const limited = limit({ pressure: fakePressure(null) });
    await expect(limited(() => 1, { signal: AbortSignal.abort('why') })).rejects.toBe('why');
  });

  test('takes out of the queue, and leaves what runs', async () => {
    const limited = limit({ pressure: fakePressure(FULL) });
    const { began, work } = worker();
    const controller = new AbortController();
    const { signal } = controller;
    const first = limited(work(0, 1000), { signal });
    const second = limited(work(1, 100), { signal }).catch((thrown) => thrown);
    const third = limited(work(2, 100));
    await pass(100);
    controller.abort('why');
    expect(await second).toBe('why');
    await pass(2000);
    expect([await first, await third, began]).toEqual([0, 2, [0, 2]]);
  });

  test('between its turn and its beginning frees the place', async () => {
    const limited = limit({ pressure: fakePressure(FULL) });
    const { began, work } = worker();
    const controller = new AbortController();
    let end = () => {};
    const first = limited(() => new Promise<void>((resolve) => (end = resolve)));
    const second = limited(work(1, 100), controller).catch((thrown) => thrown);
    const third = limited(work(2, 100));
    end();
    await first;
    controller.abort('why');
    await pass(200);
    expect([await second, await third, began]).toEqual(['why', 2, [2]]);
  });
});

describe('work within work', () => {
  test('never waits for itself, at any depth, and counts once', async () => {
    const limited = limit({ pressure: fakePressure(FULL), maxWaitMs: 60_000 });
    let atOnce = 0;
    let most = 0;
    const tree = async (depth: number): Promise<number> => {
      if (depth > 0) {
        const parts = await Promise.all([1, 2, 3].map(() => limited(() => tree(depth - 1))));
        return parts.reduce((sum, part) => sum + part, 0);
      }
      most = Math.max(most, ++atOnce);
      await sleep(100);
      atOnce--;
      return 1;
    };
    const all = Promise.all([1, 2, 3, 4].map(() => limited(() => tree(2))));
    await pass(10_000);
    expect(await all).toEqual([9, 9, 9, 9]);
    expect(most).toBeLessThanOrEqual(3);
  });

  test('that goes on after its end is work of its own', async () => {
    const limited = limit({ pressure: fakePressure(FULL) });
    const { began, work } = worker();
    let after: Promise<number> | undefined;
    const first = limited(async () => {
      void sleep(100).then(() => {
        after = limited(work(2, 100));
      });
    });
    await pass(1);
    await first;
    const second = limited(work(1, 1000));
    await pass(500);
    expect(began).toEqual([1]);
    await pass(1000);
    expect([await second, await after]).toEqual([1, 2]);
  });
});
