import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HOOK_VERSION, type HookState, renderMessage } from '../../../../src/core/model/hook-messages.ts';
import { RequestTotals } from '../../../../src/core/report/request-totals.ts';
import { HookLink } from '../../../../src/sources/hook/link.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

const STATE: HookState = {
  ...{ type: 'state', inFlight: 3, waiting: 40, waitMs: 8000, endsInMs: 0, refused: 0, sigterm: false },
  ...{ lateMs: 0, servers: 1, admittedPerSecond: 0, heap: { usedBytes: 1, limitBytes: 2 } },
};

test('of a process that is blocked it is not known how long one waits', async () => {
  const socket = new PassThrough();
  const link = new HookLink(socket as unknown as Socket, { greet: () => 7, state() {}, closed() {} });
  const totals = new RequestTotals();
  const waitSeconds = () => totals.of(link.state ? [link.state] : [])?.waitSeconds;
  const says = async (state: HookState) => {
    socket.write(renderMessage(state));
    await new Promise(setImmediate);
  };
  socket.write(renderMessage({ type: 'hello', version: HOOK_VERSION, pid: 7, start: null, node: 'v22.0.0' }));
  await says(STATE);
  vi.advanceTimersByTime(14_000);
  await says({ ...STATE, refused: 1 });
  vi.advanceTimersByTime(14_000);
  expect(waitSeconds()).toBe(8);
  vi.advanceTimersByTime(2000);
  expect(waitSeconds()).toBe(0);
  expect(link.state).toMatchObject({ inFlight: 3, waiting: 40, waitMs: 0 });
  await says({ ...STATE, waiting: 41 });
  expect(waitSeconds()).toBe(8);
  socket.destroy();
});
