import { describe, expect, it } from 'vitest';
import type { GrowthReport } from '../../../../src/core/model/growth-report.ts';
import { EventRecorder } from '../../../../src/core/report/event-recorder.ts';
import { HistoryStore } from '../../../../src/core/report/history.ts';
import type { StatusView } from '../../../../src/core/report/status-view.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { RecordingExporters } from '../../../support/recording-exporters.ts';
import { statusWith } from '../../../support/status.ts';

const growthOf = (words: string): GrowthReport => ({
  at: '2026-01-01T00:00:00Z',
  note: words,
  kinds: [
    { kind: 'heap', bytes: 2, growthBytes: 1, words },
    { kind: 'native', bytes: 2, growthBytes: 1, words: 'native memory: 5 MiB' },
  ],
  sites: [],
  sampledMs: 1000,
});

function recording(growth: GrowthReport | undefined) {
  const clock = new FakeClock();
  const exporters = new RecordingExporters();
  const history = new HistoryStore(clock.toIso);
  const view = { status: statusWith, now: () => clock.toIso(clock.now()) } as StatusView;
  const recorder = new EventRecorder({ exporters, history, clock, view, remediation: { growth } });
  return { recorder, last: () => exporters.events.at(-1)?.note ?? '' };
}

describe('what grew', () => {
  const { recorder, last } = recording(growthOf('heap: 300 MiB'));

  it('is the kind that grew most, in what is a warning', () => {
    recorder.event({ reason: 'MemoryPressureShedding', note: 'Shedding.' });
    expect(last()).toBe('Shedding. What grew: heap: 300 MiB.');
  });

  it('is not in good news, nor in a clean exit', () => {
    recorder.event({ reason: 'MemoryPressureRecovered', note: 'Recovered.' });
    expect(last()).toBe('Recovered.');
    recorder.event({ reason: 'AgentExited', type: 'Normal', note: 'Exited.' });
    expect(last()).toBe('Exited.');
  });

  it('is that of the earlier guardian in an end that this one did not live to see', () => {
    recorder.event({ reason: 'AgentExited', note: 'Vanished.' }, growthOf('shared: 9 MiB'));
    expect(last()).toBe('Vanished. What grew: shared: 9 MiB.');
  });

  it.each([
    'é'.repeat(2000),
    `x${'é'.repeat(2000)}`,
  ])('leaves a note no longer than Kubernetes takes, in bytes, and no half a character', (words) => {
    const long = recording(growthOf(words));
    long.recorder.event({ reason: 'MemoryPressureShedding', note: 'Shedding.' });
    expect(Buffer.byteLength(long.last())).toBeLessThanOrEqual(1024);
    expect(Buffer.byteLength(long.last())).toBeGreaterThan(1015);
    expect(long.last()).toMatch(/é…$/);
    expect(long.last()).not.toContain('\ufffd');
  });
});
