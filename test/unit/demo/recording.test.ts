import { describe, expect, it } from 'vitest';
import type { HistoryReport } from '../../../src/core/report/history-report.ts';
import type { PostMortem } from '../../../src/core/report/post-mortem.ts';
import { exitStatus, killsOf, recordReplica, render } from '../../../src/demo/recording.ts';

const START_MS = Date.parse('2026-01-01T00:00:00Z');
const at = (ms: number) => new Date(START_MS + ms).toISOString();

describe('a recording of the demo', () => {
  it('keeps what a picture needs: readings thinned out, answers, deaths and counts', async () => {
    const reading = { ratio: 0.5, reclaimableBytes: 10, limitBytes: 1000, anonBytes: null, rssBytes: 0 };
    const readings = [-100, 0, 20, 40, 200, 220].map((ms) => ({
      ...reading,
      at: at(ms),
      usedBytes: 500 + ms,
      level: ms === 220 ? ('critical' as const) : ('ok' as const),
    }));
    const transitions = [{ at: at(220), from: 'ok', to: 'critical', ratio: 0.93, reason: '' }];
    const thresholds = { warnRatio: 0.75, shedRatio: 0.85, criticalRatio: 0.92, recoverMargin: 0.05 };
    const death = { at: at(300), cause: 'oom-killed', exitCode: null, signal: 'SIGKILL' };
    const replica = {
      agent: {
        command: 'spillway run',
        history: async () => ({ readings, transitions, thresholds }) as unknown as HistoryReport,
        postMortems: async () => [death] as PostMortem[],
      },
      users: { served: 5, failed: 1, completed: 2, lost: 1, elsewhere: 3 },
      changes: [{ atMs: 12, answer: 'down' as const, conversations: 4 }],
    };
    expect(await recordReplica(replica, START_MS)).toEqual({
      command: 'spillway run',
      limitBytes: 1000,
      thresholds,
      requests: { served: 5, failed: 1 },
      conversations: { completed: 2, lost: 1, elsewhere: 3 },
      restarts: 0,
      deaths: [{ seconds: 0.3, cause: 'oom-killed', exitStatus: 137 }],
      transitions: [{ seconds: 0.22, from: 'ok', to: 'critical' }],
      probes: [[0.012, 'down', 4]],
      readings: [
        [0, 490],
        [0.2, 690],
        [0.22, 710],
      ],
    });
  });

  it('is written as JSON, one reading a line', () => {
    const run = { offered: { requests: 1 }, readings: [[0, 1]] } as unknown as Parameters<typeof render>[0];
    expect(render(run)).toBe('{\n  "offered": { "requests": 1 },\n  "readings": [\n    [0, 1]\n  ]\n}');
  });

  it('names the exit status as a shell does', () => {
    expect(exitStatus({ exitCode: null, signal: 'SIGKILL' })).toBe(137);
    expect(exitStatus({ exitCode: 3, signal: null })).toBe(3);
    expect(exitStatus({ exitCode: null, signal: null })).toBeNull();
  });
});

it('counts what the limit has killed, and no recycle', () => {
  const deaths = (['oom-killed', 'signal', 'heap-limit', 'exit'] as const).map((cause, seconds) => ({
    ...{ cause, seconds, exitStatus: null },
  }));
  expect(killsOf({ deaths })).toBe(2);
});
