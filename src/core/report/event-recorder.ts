import { type Finding, factsOf } from '../model/events.ts';
import type { GrowthReport } from '../model/growth-report.ts';
import type { Level, Status } from '../model/status.ts';
import type { Clock, Exporters } from '../ports/ports.ts';
import { ADVICE } from '../pressure/advice.ts';
import { noteOf } from '../pressure/describe.ts';
import type { HistoryStore } from './history.ts';
import type { PostMortem } from './post-mortem.ts';

export interface EventRecorderDeps {
  exporters: Exporters;
  history: HistoryStore;
  clock: Clock;
  /** What is known now. */
  status(): Status;
  /** What grew, once that is known. */
  growth(): GrowthReport | undefined;
}

/** Puts what the guardian finds into the words and the order in which the outlets tell it. */
export class EventRecorder {
  readonly #deps: EventRecorderDeps;
  #flying = false;
  #sinceWallMs: number;

  constructor(deps: EventRecorderDeps) {
    this.#deps = deps;
    this.#sinceWallMs = deps.clock.wallMs();
  }

  /** Since when the level is what it is: ISO time. */
  get since(): string {
    return new Date(this.#sinceWallMs).toISOString();
  }

  /** @param growth where it is not what grew in the life that is watched now */
  event(finding: Finding, growth: GrowthReport | null = this.#deps.growth() ?? null): void {
    const { clock, exporters } = this.#deps;
    const facts = factsOf(finding.reason);
    const { type = facts.type } = finding;
    const told = type === 'Warning' && facts.withGrowth ? growth : null;
    const at = new Date(clock.wallMs()).toISOString();
    exporters.emit({
      ...finding,
      type,
      id: clock.newId(),
      note: noteOf(finding.note, told),
      at,
      count: 1,
      status: this.#deps.status(),
    });
  }

  transition(before: Level, level: Level, nowMs: number): void {
    const { clock, exporters, history } = this.#deps;
    this.#sinceWallMs = clock.wallMs();
    const status = this.#deps.status();
    exporters.transition(before, level);
    history.transition(nowMs, before, level, status.ratio ?? 0, status.reason);
    exporters.stream('status', () => status);
    const { ratio, secondsToLimit } = status;
    exporters.stream('advice', () => ({ action: ADVICE[level], level, ratio, secondsToLimit }));
  }

  reading(): void {
    this.#deps.exporters.stream('reading', () => {
      const { level, ready, ratio, usedBytes, reclaimableBytes, limitBytes, secondsToLimit } =
        this.#deps.status();
      const at = new Date(this.#deps.clock.wallMs()).toISOString();
      return { at, level, ready, ratio, usedBytes, reclaimableBytes, limitBytes, secondsToLimit };
    });
  }

  /** What is known goes to disk: the kernel may take the guardian together with the agent. */
  startFlightRecording(report: () => PostMortem): void {
    this.#flying = true;
    this.#deps.exporters.flight(report);
  }

  /** Nothing threatens any more, or all has been told. */
  stopFlightRecording(): void {
    if (!this.#flying) return;
    this.#flying = false;
    this.#deps.exporters.flightDone();
  }
}
