import { describe, expect, it } from 'vitest';
import type { PostMortem } from '../../../src/core/report/post-mortem.ts';
import { type DemoRun, Recording } from '../../../src/demo/recording.ts';
import { statusWith } from '../../support/status.ts';

describe('a recording of the demo', () => {
  it('keeps what a picture needs: readings thinned out, changes of the answer, the end', () => {
    const recording = new Recording();
    const start = Date.now();
    const at = (ms: number) => new Date(start + ms).toISOString();
    recording.add({ code: 200, status: statusWith() }, 0);
    recording.add({ code: 200, status: statusWith() }, 0);
    recording.add({ code: 503, status: statusWith() }, 0);
    const reading = { ratio: 0.5, reclaimableBytes: 10, limitBytes: 1000, anonBytes: null, rssBytes: 0 };
    const readings = [0, 20, 40, 200, 220].map((ms) => ({
      ...reading,
      at: at(ms),
      usedBytes: 500 + ms,
      level: ms === 220 ? ('critical' as const) : ('ok' as const),
    }));
    const report = {
      at: at(300),
      cause: 'oom-killed',
      reason: 'Killed.',
      readings,
      transitions: [{ at: at(220), from: 'ok', to: 'critical', ratio: 0.93, reason: '' }],
      status: statusWith(),
    } as unknown as PostMortem;
    const event = { level: 'warn', time: at(221), msg: '', event: 'MemoryPressureCritical' };
    const run: DemoRun = JSON.parse(recording.render(report, [event]));
    expect(run.readings.map(([, bytes]) => bytes)).toEqual([490, 690, 710]);
    expect(run.probes.map(([, code]) => code)).toEqual([200, 503]);
    expect(run).toMatchObject({ limitBytes: 1000, end: { cause: 'oom-killed' } });
    expect(run.events).toHaveLength(1);
    expect(run.transitions[0]?.seconds).toBeCloseTo(0.22, 1);
  });
});
