import { describe, expect, it } from 'vitest';
import {
  type DeathFacts,
  judgeDeath,
  judgeVanished,
  type PostMortem,
} from '../../../../src/core/report/post-mortem.ts';

const MI = 1024 * 1024;
/** A Node agent at 97 % of 512 MiB whose heap limit is far away; nothing seen of its end. */
const FACTS: DeathFacts = {
  exitCode: null,
  signal: null,
  oomKillsDelta: 0,
  ratio: 0.97,
  anonBytes: 490 * MI,
  limitBytes: 512 * MI,
  runtime: 'node',
  heapLimitBytes: 4096 * MI,
};
const judge = (facts: Partial<DeathFacts>) => judgeDeath({ ...FACTS, ...facts });

describe('judgeDeath: OOM kill', () => {
  it('is what the kernel counted, seen as SIGKILL', () => {
    expect(judge({ signal: 'SIGKILL', oomKillsDelta: 1 })).toEqual({
      cause: 'oom-killed',
      reason: "Killed by the kernel's OOM killer at 97 % of 512 MiB.",
    });
  });

  it('is also told where the exit status cannot be seen', () => {
    expect(judge({ oomKillsDelta: 1 }).cause).toBe('oom-killed');
  });

  it('is also told through a shell, which relays it as 137', () => {
    expect(judge({ exitCode: 137, oomKillsDelta: 1 }).cause).toBe('oom-killed');
  });

  it.each([0.41, null])('is one also at %s of the limit, as last read', (ratio) => {
    expect(judge({ signal: 'SIGKILL', oomKillsDelta: 1, ratio }).cause).toBe('oom-killed');
  });

  it('of a child is not the cause of an end of the agent’s own', () => {
    expect(judge({ exitCode: 1, oomKillsDelta: 1 })).toMatchObject({ cause: 'exit' });
    expect(judge({ signal: 'SIGTERM', oomKillsDelta: 2 }).cause).toBe('signal');
  });
});

describe('judgeDeath: SIGKILL the kernel did not count', () => {
  it('came from outside', () => {
    expect(judge({ signal: 'SIGKILL', ratio: 0.41 }).cause).toBe('signal');
    expect(judge({ exitCode: 137 }).cause).toBe('signal');
  });

  it.each([0.97, 0.5, null])('is no proven OOM kill where the count cannot be seen, at %s', (ratio) => {
    expect(judge({ signal: 'SIGKILL', oomKillsDelta: null, ratio }).cause).toBe('signal');
  });
});

describe("judgeDeath: V8's heap limit", () => {
  const heap = { heapLimitBytes: 256 * MI, anonBytes: 250 * MI, limitBytes: 1024 * MI, ratio: 0.25 };

  it.each([{ signal: 'SIGABRT' }, { exitCode: 134 }])('is an abort of Node near it: %o', (end) => {
    expect(judge({ ...heap, ...end }).cause).toBe('heap-limit');
  });

  it.each([
    ['far from it', { anonBytes: 100 * MI }],
    ['not known', { heapLimitBytes: null }],
    ['of another runtime', { runtime: 'python' as const }],
    ['without a reading', { anonBytes: null }],
  ])('is not claimed when it is %s', (_, facts) => {
    expect(judge({ ...heap, signal: 'SIGABRT', ...facts }).cause).toBe('signal');
  });

  it('is not the cause where the end cannot be seen', () => {
    expect(judge(heap).cause).toBe('unknown');
  });
});

describe('judgeDeath: the rest', () => {
  it.each([0, 1, 126, 127, 128, 200, 255])('exit code %i is an exit', (exitCode) => {
    expect(judge({ exitCode }).cause).toBe('exit');
  });

  it.each([
    [130, 'SIGINT'],
    [139, 'SIGSEGV'],
    [143, 'SIGTERM'],
  ])('exit code %i stands for %s', (exitCode, signal) => {
    const { cause, reason } = judge({ exitCode });
    expect(cause).toBe('signal');
    expect(reason).toContain(signal);
  });

  it.each(['SIGTERM', 'SIGSEGV', 'SIGINT'])('%s is named', (signal) => {
    expect(judge({ signal })).toEqual({ cause: 'signal', reason: expect.stringContaining(signal) });
  });

  it('nothing seen and nothing counted is unknown', () => {
    expect(judge({}).cause).toBe('unknown');
    expect(judge({ oomKillsDelta: null }).cause).toBe('unknown');
  });

  it('every combination gives one finished sentence without holes', () => {
    const any: { [K in keyof DeathFacts]: DeathFacts[K][] } = {
      exitCode: [null, 0, 1, 134, 137, 143],
      signal: [null, 'SIGKILL', 'SIGABRT', 'SIGTERM'],
      oomKillsDelta: [null, 0, 1, 2],
      ratio: [null, 0.4, 0.97],
      anonBytes: [null, 490 * MI],
      limitBytes: [null, 512 * MI],
      runtime: ['node', 'python'],
      heapLimitBytes: [null, 500 * MI],
    };
    const all = Object.entries(any).reduce<Partial<DeathFacts>[]>(
      (facts, [key, values]) => facts.flatMap((fact) => values.map((value) => ({ ...fact, [key]: value }))),
      [{}],
    );
    expect(all).toHaveLength(6 * 4 * 4 * 3 * 2 * 2 * 2 * 2);
    for (const facts of all) {
      const { reason } = judge(facts);
      expect(reason).toMatch(/^[A-Z].*\.$/);
      expect(reason).not.toMatch(/null|undefined|NaN|;;|\.\.| {2}/);
      expect(reason.length).toBeLessThan(512);
    }
  });
});

describe('judgeVanished', () => {
  it('says when and how full both were last seen', () => {
    const flight = {
      id: 'f1',
      at: '2026-01-02T03:04:05.678Z',
      cause: 'unknown',
      reason: 'Vanished.',
      exitCode: null,
      signal: null,
      status: { ratio: 0.93, limitBytes: 512 * MI },
    } as PostMortem;
    const { id, cause, reason } = judgeVanished(flight);
    expect({ id, cause }).toEqual({ id: 'f1', cause: 'unknown' });
    expect(reason).toContain(flight.at);
  });
});
