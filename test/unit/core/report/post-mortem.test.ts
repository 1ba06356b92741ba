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
    const { cause, reason } = judge({ exitCode: 137, oomKillsDelta: 1 });
    expect(cause).toBe('oom-killed');
    expect(reason).toContain('(seen as exit code 137)');
  });

  it('names how many died with it', () => {
    expect(judge({ oomKillsDelta: 3 }).reason).toContain('together with 2 processes more');
    expect(judge({ oomKillsDelta: 2 }).reason).toContain('together with a process more');
  });

  it('far below the limit says where else memory may have run out', () => {
    const { cause, reason } = judge({ signal: 'SIGKILL', oomKillsDelta: 1, ratio: 0.41 });
    expect(cause).toBe('oom-killed');
    expect(reason).toContain('only 41 % of 512 MiB');
  });

  it('does without a reading', () => {
    expect(judge({ oomKillsDelta: 1, ratio: null }).reason).toContain('no valid reading');
  });

  it('of a child is not the cause of an end of the agent’s own', () => {
    expect(judge({ exitCode: 1, oomKillsDelta: 1 })).toMatchObject({ cause: 'exit' });
    const ended = judge({ signal: 'SIGTERM', oomKillsDelta: 2 });
    expect(ended.cause).toBe('signal');
    expect(ended.reason).toContain('killed 2 processes');
  });
});

describe('judgeDeath: SIGKILL the kernel did not count', () => {
  it('came from outside', () => {
    expect(judge({ signal: 'SIGKILL', ratio: 0.41 })).toEqual({
      cause: 'signal',
      reason:
        'Killed by SIGKILL from outside; the kernel counted no OOM kill; the last reading was 41 % of 512 MiB.',
    });
    expect(judge({ exitCode: 137 })).toMatchObject({ cause: 'signal' });
    expect(judge({ exitCode: 137 }).reason).toContain('with exit code 137, which stands for SIGKILL');
  });

  it('is likely an OOM kill near the limit, where the count cannot be seen', () => {
    const near = judge({ signal: 'SIGKILL', oomKillsDelta: null });
    expect(near.cause).toBe('signal');
    expect(near.reason).toContain('an OOM kill is likely');
    expect(judge({ signal: 'SIGKILL', oomKillsDelta: null, ratio: 0.5 }).reason).not.toContain('likely');
    expect(judge({ signal: 'SIGKILL', oomKillsDelta: null, ratio: null }).reason).not.toContain('likely');
  });
});

describe("judgeDeath: V8's heap limit", () => {
  const heap = { heapLimitBytes: 256 * MI, anonBytes: 250 * MI, limitBytes: 1024 * MI, ratio: 0.25 };

  it.each([{ signal: 'SIGABRT' }, { exitCode: 134 }])('is an abort of Node near it: %o', (end) => {
    const { cause, reason } = judge({ ...heap, ...end });
    expect(cause).toBe('heap-limit');
    expect(reason).toContain('heap limit of about 256 MiB');
    expect(reason).toContain('250 MiB of memory');
    expect(reason).toContain('raise --max-old-space-size');
  });

  it.each([
    ['far from it', { anonBytes: 100 * MI }],
    ['not known', { heapLimitBytes: null }],
    ['of another runtime', { runtime: 'python' as const }],
    ['without a reading', { anonBytes: null }],
  ])('is not claimed when it is %s', (_, facts) => {
    const { cause, reason } = judge({ ...heap, signal: 'SIGABRT', ...facts });
    expect(cause).toBe('signal');
    expect(reason).toMatch(/^Aborted by SIGABRT/);
    expect(reason).not.toContain('--max-old-space-size');
  });

  it('is hinted at when Node aborts and its limit is not known', () => {
    expect(judge({ signal: 'SIGABRT', heapLimitBytes: null }).reason).toContain('not visible from here');
  });

  it('is a hint only where the end cannot be seen', () => {
    const { cause, reason } = judge(heap);
    expect(cause).toBe('unknown');
    expect(reason).toContain("V8's own heap limit of about 256 MiB was near");
  });
});

describe('judgeDeath: the rest', () => {
  it.each([
    [0, 'Exited by itself with exit code 0;'],
    [1, 'Exited by itself with exit code 1;'],
    [126, '(the command could not be executed)'],
    [127, '(the command was not found)'],
    [128, 'with exit code 128'],
    [200, 'with exit code 200'],
    [255, 'with exit code 255'],
  ])('exit code %i is an exit', (exitCode, words) => {
    const { cause, reason } = judge({ exitCode });
    expect(cause).toBe('exit');
    expect(reason).toContain(words);
  });

  it.each([
    [130, 'SIGINT'],
    [139, 'SIGSEGV'],
    [143, 'SIGTERM'],
  ])('exit code %i stands for %s', (exitCode, signal) => {
    const { cause, reason } = judge({ exitCode });
    expect(cause).toBe('signal');
    expect(reason).toContain(`with exit code ${exitCode}, which stands for ${signal}`);
  });

  it.each(['SIGTERM', 'SIGSEGV', 'SIGINT'])('%s is named', (signal) => {
    expect(judge({ signal })).toEqual({
      cause: 'signal',
      reason: `Ended by ${signal}; the last reading was 97 % of 512 MiB.`,
    });
  });

  it('nothing seen and nothing counted is unknown', () => {
    const { cause, reason } = judge({});
    expect(cause).toBe('unknown');
    expect(reason).toContain('the kernel counted no OOM kill; the last reading was 97 %');
    expect(judge({ oomKillsDelta: null }).reason).toContain('counter is not visible');
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
    expect(reason).toMatch(/ 93 % of 512 MiB.* 2026-01-02T03:04:05\.678Z/);
  });
});
