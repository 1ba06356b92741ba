import { describe, expect, it, vi } from 'vitest';
import { createEventsApi } from '../../../src/adapters/kubernetes-client.ts';
import { createAllowance } from '../../../src/adapters/rate-limit.ts';
import { retry } from '../../../src/adapters/retry.ts';
import type { EventReason, GuardianEvent } from '../../../src/core/model/events.ts';
import { createKubernetesEvents } from '../../../src/exporters/kubernetes-events/sink.ts';
import { createNotifier, type NotifierOptions } from '../../../src/exporters/notifier.ts';
import { failure, startApiServer } from '../../support/api-server.ts';
import { eventOf } from '../../support/event.ts';
import { goldenLines } from '../../support/golden.ts';

const said = goldenLines('kubernetes-events');
const POD = { namespace: 'team', name: 'agent-1', uid: 'u-1', serviceAccount: undefined };
const DENIED = (verb: string) =>
  failure(
    403,
    'Forbidden',
    `events.events.k8s.io is forbidden: User "system:serviceaccount:team:runner" cannot ${verb} resource "events" in API group "events.k8s.io" in the namespace "team"`,
  );
const EPISODE: EventReason[] = ['MemoryPressureWarning', 'MemoryPressureShedding', 'MemoryPressureCritical'];
const minute = (n: number) => new Date(Date.UTC(2026, 0, 2, 3, n)).toISOString();

async function harness(options: Partial<NotifierOptions> & { burst?: number; everyMs?: number } = {}) {
  const server = await startApiServer();
  const counts: Record<string, number> = {};
  const problems: string[] = [];
  const { burst = 1000, everyMs = 1, ...rest } = options;
  let opened = 0;
  const sink = createKubernetesEvents({
    pod: POD,
    open: async () => {
      opened++;
      return createEventsApi({ ...server.access, version: '1.2.3' });
    },
    take: createAllowance({ burst, everyMs }).take,
    onProblem: (message) => problems.push(message),
  });
  const notifier = createNotifier({
    sinks: [sink],
    retry,
    firstWaitMs: 5,
    onResult: (_, result, n) => {
      counts[result] = (counts[result] ?? 0) + n;
    },
    onProblem: (_, message) => problems.push(message),
    ...rest,
  });
  const emit = (reason: EventReason, changes: Partial<GuardianEvent> = {}) =>
    notifier.emit(eventOf(reason, changes));
  const settled = (n: number) =>
    vi.waitFor(() => expect(counts['delivered'] ?? 0).toBe(n), { timeout: 10_000 });
  return { ...server, sink, notifier, emit, settled, counts, problems, opened: () => opened };
}

describe('Kubernetes Events', () => {
  it('are about the pod, in order, with when it happened, and open the client with the first', async () => {
    const { emit, notifier, state, told, counts, opened } = await harness();
    expect(opened()).toBe(0);
    for (const reason of EPISODE) emit(reason);
    expect(await notifier.close(5000)).toEqual([]);
    expect(told()).toEqual(EPISODE);
    const [first] = [...state.events.values()];
    expect(first).toMatchObject({
      metadata: { namespace: 'team', name: expect.stringMatching(/^agent-1\.0b9f5c1e-/) },
      regarding: { apiVersion: 'v1', kind: 'Pod', namespace: 'team', name: 'agent-1', uid: 'u-1' },
      reportingController: 'spillway.dev/guardian',
      reportingInstance: 'agent-1',
      action: 'Watch',
      type: 'Warning',
      note: 'MemoryPressureWarning happened.',
      eventTime: '2026-01-02T03:04:05.678000Z',
    });
    expect(counts).toEqual({ delivered: 3 });
    expect(opened()).toBe(1);
  });

  it('count a repeat into a series, and begin anew when the last was long ago', async () => {
    const { emit, settled, told, state } = await harness();
    emit('MemoryPressureWarning', { at: minute(0) });
    await settled(1);
    emit('MemoryPressureWarning', { at: minute(4) });
    await settled(2);
    emit('MemoryPressureWarning', { at: minute(9), count: 3, firstAt: minute(8) });
    await settled(3);
    expect(told()).toEqual(['MemoryPressureWarning ×5']);
    expect([...state.events.values()][0]?.series?.lastObservedTime).toBe('2026-01-02T03:09:00.000000Z');
    emit('MemoryPressureWarning', { at: minute(16) });
    await settled(4);
    expect(told()).toEqual(['MemoryPressureWarning ×5', 'MemoryPressureWarning']);
  });

  it('tell each death by itself', async () => {
    const { emit, settled, told } = await harness();
    emit('AgentOOMKilled');
    await settled(1);
    emit('AgentOOMKilled');
    await settled(2);
    expect(told()).toEqual(['AgentOOMKilled', 'AgentOOMKilled']);
  });

  it('begin a new series when the Event is gone', async () => {
    const { emit, settled, told, state } = await harness();
    emit('MemoryPressureWarning');
    await settled(1);
    state.events.clear();
    emit('MemoryPressureWarning');
    await settled(2);
    expect(told()).toEqual(['MemoryPressureWarning']);
  });

  it('wait out an API server that is away: repeats are one, times are kept, order holds', async () => {
    const { emit, settled, told, state, away, back, problems, counts } = await harness();
    await away();
    emit('AgentExited', { at: minute(0) });
    await vi.waitFor(() => expect(counts['retried']).toBeGreaterThan(1), { timeout: 5000 });
    for (let i = 1; i < 300; i++)
      for (const reason of ['MemoryPressureWarning', 'MemoryPressureRecovered'] as const)
        emit(reason, { at: minute(i) });
    emit('AgentOOMKilled', { at: minute(300) });
    await back();
    await settled(4);
    expect(told()).toEqual([
      'AgentExited',
      'MemoryPressureWarning ×299',
      'MemoryPressureRecovered ×299',
      'AgentOOMKilled',
    ]);
    const warning = [...state.events.values()][1];
    expect(warning?.eventTime).toBe('2026-01-02T03:01:00.000000Z');
    expect(warning?.series?.lastObservedTime).toBe('2026-01-02T07:59:00.000000Z');
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('ECONNREFUSED');
  });

  it('end an attempt that gets no answer, and go on', async () => {
    const { emit, settled, told, state } = await harness({ attemptMs: 100 });
    let asked = 0;
    state.fault = () => (++asked === 1 ? 'hang' : undefined);
    emit('MemoryPressureShedding');
    await settled(1);
    expect(told()).toEqual(['MemoryPressureShedding']);
  });

  it('tell once what came through though the answer was lost', async () => {
    const { emit, settled, told, state, counts } = await harness();
    let asked = 0;
    state.fault = () => (++asked === 1 ? 'lose' : undefined);
    emit('AgentOOMKilled');
    await settled(1);
    expect(counts).toEqual({ retried: 1, delivered: 1 });
    expect(told()).toEqual(['AgentOOMKilled']);
    expect(asked).toBe(2);
  });

  it('count a series right when the answer to a repeat is lost', async () => {
    const { emit, settled, told, state } = await harness();
    emit('MemoryPressureWarning');
    await settled(1);
    let asked = 0;
    state.fault = () => (++asked === 1 ? 'lose' : undefined);
    emit('MemoryPressureWarning');
    await settled(2);
    expect(told()).toEqual(['MemoryPressureWarning ×2']);
  });

  it('wait as long as a 429 asks, and try again after 500 and 503', async () => {
    const { emit, settled, state, counts, told } = await harness();
    const at: number[] = [];
    const faults = [
      failure(429, 'TooManyRequests', 'slow down', { 'retry-after': '1' }),
      failure(500, 'InternalError', 'etcd'),
      failure(503, 'ServiceUnavailable', 'shutting down'),
    ];
    state.fault = () => {
      at.push(performance.now());
      return faults.shift();
    };
    emit('MemoryPressureWarning');
    await settled(1);
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(990);
    expect(counts).toEqual({ retried: 3, delivered: 1 });
    expect(told()).toEqual(['MemoryPressureWarning']);
  });

  it('shorten a note that is refused, say so, and give up what is refused even then', async () => {
    const { emit, settled, state, problems, counts } = await harness();
    state.fault = ({ body }) =>
      Buffer.byteLength(String(body['note'])) > 300 ? failure(422, 'Invalid', 'note: too long') : undefined;
    emit('AgentStuck', { note: `${'word '.repeat(200)}end` });
    await settled(1);
    expect(Buffer.byteLength([...state.events.values()][0]?.note ?? '')).toBeLessThanOrEqual(256);
    expect(problems[0]).toBe('the API server refused AgentStuck (note: too long); sent shortened');
    state.fault = () => failure(422, 'Invalid', 'no');
    emit('AgentRecycled');
    emit('GuardianBlind');
    await vi.waitFor(() => expect(counts['rejected']).toBe(2), { timeout: 5000 });
    expect(counts['retried']).toBeUndefined();
    said('refused for good', problems.at(-1), { ID: /(?<=^event )\S+/g });
  });

  it('are given up in a namespace that ends, without asking for rights', async () => {
    const { emit, state, sink, counts, problems } = await harness();
    const answers = [
      failure(404, 'NotFound', 'namespaces "team" not found'),
      failure(
        403,
        'Forbidden',
        'unable to create new content in namespace team because it is being terminated',
      ),
    ];
    state.fault = () => answers.shift();
    emit('AgentExited');
    emit('GuardianBlind');
    await vi.waitFor(() => expect(counts['rejected']).toBe(2), { timeout: 5000 });
    expect(sink.advice()).toEqual([]);
    expect(problems.join()).not.toContain('apiVersion');
  });

  it('read the token again when it is not taken any more', async () => {
    const { emit, settled, state, writeToken, counts, problems, told } = await harness();
    emit('MemoryPressureWarning');
    await settled(1);
    state.token = 'second';
    state.fault = ({ headers }) => {
      // replaced while the request is on its way
      if (headers.authorization === 'Bearer first') writeToken('second');
      return undefined;
    };
    emit('MemoryPressureShedding');
    await settled(2);
    expect(counts).toEqual({ delivered: 2 });
    expect(problems).toEqual([]);
    state.token = 'third';
    emit('MemoryPressureCritical');
    await vi.waitFor(() => expect(counts['retried']).toBeGreaterThan(0), { timeout: 5000 });
    said('a token that is not taken', problems[0]);
    writeToken('third');
    await settled(3);
    expect(told()).toEqual(EPISODE);
  });

  it('name missing rights once, with the manifests that give them, and go out when they are there', async () => {
    const waits: number[] = [];
    const { emit, settled, state, sink, problems, told, counts } = await harness({
      // as the real one, which would wait two minutes
      retry: (attempt, options) =>
        retry(
          () =>
            attempt().catch((error) => {
              waits.push(error.retryAfterMs);
              throw Object.assign(error, { retryAfterMs: undefined });
            }),
          options,
        ),
    });
    state.fault = () => DENIED('create');
    for (const reason of EPISODE) emit(reason);
    await vi.waitFor(() => expect(counts['retried']).toBeGreaterThan(2), { timeout: 5000 });
    expect(new Set(waits)).toEqual(new Set([120_000]));
    expect(problems).toHaveLength(1);
    said('missing rights', problems[0]);
    expect(sink.advice()).toEqual([expect.objectContaining({ code: 'events_forbidden' })]);
    said('advice on missing rights', sink.advice()[0]?.hint);
    state.fault = () => undefined;
    await settled(3);
    expect(told()).toEqual(EPISODE);
    expect(sink.advice()).toEqual([]);
  });

  it('tell repeats one by one where only patching is denied, and say so once', async () => {
    const { emit, settled, state, told, problems, sink } = await harness();
    state.fault = ({ method }) => (method === 'PATCH' ? DENIED('patch') : undefined);
    for (let i = 1; i <= 3; i++) {
      emit('MemoryPressureWarning');
      await settled(i);
    }
    expect(told()).toEqual(['MemoryPressureWarning', 'MemoryPressureWarning', 'MemoryPressureWarning']);
    expect(problems).toHaveLength(1);
    said('no right to patch', problems[0]);
    expect(sink.advice()).toHaveLength(1);
  });

  it('count repeats again when the right to patch is given', async () => {
    const { emit, settled, state, told, problems, sink } = await harness();
    state.fault = ({ method }) => (method === 'PATCH' ? DENIED('patch') : undefined);
    for (let i = 0; i <= 8; i++) {
      if (i === 5) state.fault = () => undefined;
      emit('MemoryPressureWarning', { at: minute(i) });
      await settled(i + 1);
    }
    // denied in minute 1, tried again after more than six
    expect(told()).toEqual([...Array(7).fill('MemoryPressureWarning'), 'MemoryPressureWarning ×2']);
    expect(problems).toHaveLength(1);
    expect(sink.advice()).toEqual([]);
  });

  it('tell a repeat by itself when its series takes no more', async () => {
    const { emit, settled, state, told, counts } = await harness();
    const refusals = [failure(400, 'BadRequest', 'no'), failure(422, 'Invalid', 'no'), failure(404, '', '')];
    for (let i = 1; i <= 4; i++) {
      emit('MemoryPressureWarning');
      await settled(i);
      state.fault = ({ method }) => (method === 'PATCH' ? refusals.shift() : undefined);
    }
    expect(told()).toEqual(Array(4).fill('MemoryPressureWarning'));
    expect(counts).toEqual({ delivered: 4 });
  });

  it('try a conflict again', async () => {
    const { emit, settled, state, told } = await harness();
    emit('MemoryPressureWarning');
    await settled(1);
    let asked = 0;
    state.fault = () =>
      ++asked === 1 ? failure(409, 'Conflict', 'the object has been modified') : undefined;
    emit('MemoryPressureWarning');
    await settled(2);
    expect(told()).toEqual(['MemoryPressureWarning ×2']);
  });

  it('keep to a rate: what waits is one for each reason, and last words pass it', async () => {
    const { emit, settled, notifier, told, counts } = await harness({ burst: 6, everyMs: 300_000 });
    const at = new Date().toISOString();
    emit('MemoryPressureWarning', { at });
    await settled(1); // five are left, for last words
    for (let i = 1; i <= 20; i++) {
      emit('GarbageCollected', { at });
      emit('MemoryPressureShedding', { at });
    }
    emit('AgentOOMKilled', { at });
    emit('MemoryPressureRecovered', { at });
    await settled(3);
    expect(told()).toEqual(['MemoryPressureWarning', 'AgentOOMKilled', 'MemoryPressureRecovered']);
    expect(counts['merged']).toBe(38);
    // at the end there is no later: all goes out
    expect(await notifier.close(5000)).toEqual([]);
    expect(told().slice(3)).toEqual(['GarbageCollected ×20', 'MemoryPressureShedding ×20']);
  });

  it('go on by themselves when the rate allows one more', async () => {
    const { emit, settled, told } = await harness({ burst: 6, everyMs: 200 });
    const at = new Date().toISOString();
    emit('MemoryPressureWarning', { at });
    await settled(1);
    emit('MemoryPressureShedding', { at });
    await settled(2);
    expect(told()).toEqual(['MemoryPressureWarning', 'MemoryPressureShedding']);
  });

  it('share the rate so that nothing waits for ever, and a death never', () => {
    const reserves: number[] = [];
    const sink = createKubernetesEvents({
      pod: POD,
      open: () => Promise.reject(new Error('not asked')),
      take: (reserve) => {
        reserves.push(reserve);
        return 1_800_000;
      },
      onProblem: () => {},
    });
    const permitted = (reason: EventReason, waitedMs: number) =>
      sink.permit?.(eventOf(reason, { firstAt: new Date(Date.now() - waitedMs).toISOString() })) ?? 0;
    // a warning is looked at again when it has waited for five minutes, …
    expect(permitted('MemoryPressureCritical', 60_000)).toBeGreaterThan(239_000);
    expect(permitted('MemoryPressureCritical', 60_000)).toBeLessThanOrEqual(240_000);
    // … and is then as good as a recovery
    expect(permitted('MemoryPressureCritical', 300_000)).toBe(1_800_000);
    permitted('MemoryPressureRecovered', 0);
    permitted('AgentOOMKilled', 0);
    permitted('AgentRecycled', 900_000);
    permitted('GarbageCollected', 0);
    expect(reserves).toEqual([5, 5, 2, 2, 0, 0, 15]);
  });

  it('ask for the client again when it could not be opened', async () => {
    const server = await startApiServer();
    let opened = 0;
    const sink = createKubernetesEvents({
      pod: POD,
      open: async () => {
        if (++opened === 1) throw new Error('no memory to load it');
        return createEventsApi({ ...server.access, version: '1.2.3' });
      },
      take: () => 0,
      onProblem: () => {},
    });
    const { signal } = new AbortController();
    await expect(sink.deliver(eventOf('GuardianBlind'), signal)).rejects.toThrow('no memory to load it');
    await sink.deliver(eventOf('GuardianBlind'), signal);
    expect(server.told()).toEqual(['GuardianBlind']);
  });
});
