import { type Finding, factsOf } from '../model/events.ts';
import type { GrowthReport } from '../model/growth-report.ts';
import type { Level } from '../model/status.ts';
import type { Clock, Exporters, Remediation } from '../ports/ports.ts';
import { ADVICE } from '../pressure/advice.ts';
import { noteOf } from '../pressure/describe.ts';
import { atLeast } from '../pressure/level.ts';
import type { HistoryStore } from './history.ts';
import type { StatusView } from './status-view.ts';

export interface EventRecorderDeps {
  exporters: Exporters;
  history: HistoryStore;
  clock: Clock;
  view: StatusView;
  /** Names what grew, once that is known. */
  remediation: Pick<Remediation, 'growth'>;
}

/** Turns what the guardian finds into events, messages of the stream and flight recordings, and hands them to the exporters. */
export class EventRecorder {
  readonly #deps: EventRecorderDeps;
  #flying = false;

  constructor(deps: EventRecorderDeps) {
    this.#deps = deps;
  }

  /** @param growth where it is not what grew in the agent that is watched now */
  event(finding: Finding, growth: GrowthReport | null = this.#deps.remediation.growth ?? null): void {
    const { clock, exporters, view } = this.#deps;
    const facts = factsOf(finding.reason);
    const { type = facts.type } = finding;
    const grown = type === 'Warning' && facts.withGrowth ? growth : null;
    exporters.emit({
      ...finding,
      type,
      id: clock.newId(),
      note: noteOf(finding.note, grown),
      at: view.now(),
      count: 1,
      status: view.status(),
    });
  }

  transition(before: Level, level: Level, nowMs: number): void {
    const { exporters, history, view } = this.#deps;
    view.levelChanged();
    const status = view.status();
    exporters.transition(before, level);
    const { ratio, reason, secondsToLimit } = status;
    history.transition({ atMs: nowMs, from: before, to: level, ratio: ratio ?? 0, reason });
    exporters.stream('status', () => status);
    exporters.stream('advice', () => ({ action: ADVICE[level], level, ratio, secondsToLimit }));
  }

  reading(): void {
    const { exporters, view } = this.#deps;
    exporters.stream('reading', () => {
      const { level, ready, ratio, usedBytes, reclaimableBytes, limitBytes, secondsToLimit } = view.status();
      return {
        at: view.now(),
        level,
        ready,
        ratio,
        usedBytes,
        reclaimableBytes,
        limitBytes,
        secondsToLimit,
      };
    });
  }

  /** Under pressure a post-mortem is kept on disk: the kernel may kill the guardian together with the agent. */
  recordFlight(present: boolean, level: Level): void {
    if (present && atLeast(level, 'warning')) {
      this.#flying = true;
      this.#deps.exporters.flight(() => this.#deps.view.postMortem());
    } else this.stopFlightRecording();
  }

  /** The pressure is over, or the exit is reported. */
  stopFlightRecording(): void {
    if (!this.#flying) return;
    this.#flying = false;
    this.#deps.exporters.flightDone();
  }
}
