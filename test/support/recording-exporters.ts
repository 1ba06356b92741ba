import type { EventReason, GuardianEvent } from '../../src/core/model/events.ts';
import type { GcRecord } from '../../src/core/model/gc-record.ts';
import type { Level } from '../../src/core/model/status.ts';
import type { Exporters } from '../../src/core/ports/ports.ts';
import type { PostMortem } from '../../src/core/report/post-mortem.ts';

/** Keeps all that the guardian and its remedies report. */
export class RecordingExporters implements Exporters {
  readonly events: GuardianEvent[] = [];
  readonly deaths: PostMortem[] = [];
  readonly streamed: ('status' | 'reading' | 'advice')[] = [];
  readonly transitions: { from: Level; to: Level }[] = [];
  readonly logged: { level: 'info' | 'warn'; message: string }[] = [];
  /** Sources of failed reads. */
  readonly failures: string[] = [];
  /** Flight recordings that were offered; each is made when asked for. */
  readonly flights: (() => PostMortem)[] = [];
  flightsDone = 0;
  restarts = 0;
  /** After each tick. */
  onTick: () => void = () => {};

  // of the remedies, as metrics count them
  readonly records: GcRecord[] = [];
  readonly recycled: string[] = [];
  stalledMs = 0;

  emit = (event: GuardianEvent) => void this.events.push(event);
  log = (level: 'info' | 'warn', message: string) => void this.logged.push({ level, message });
  stream = (event: 'status' | 'reading' | 'advice') => void this.streamed.push(event);
  observeTick = () => this.onTick();
  readFailed = (source: string) => void this.failures.push(source);
  transition = (from: Level, to: Level) => void this.transitions.push({ from, to });
  restarted = () => void this.restarts++;
  died = (report: PostMortem) => void this.deaths.push(report);
  flight = (report: () => PostMortem) => void this.flights.push(report);
  flightDone = () => void this.flightsDone++;

  readonly metrics = {
    collected: (record: GcRecord) => void this.records.push(record),
    stalled: (ms: number) => {
      this.stalledMs += ms;
    },
    recycled: (result: string) => void this.recycled.push(result),
  };

  /** Reasons of the events since the last call. */
  takeReasons(): EventReason[] {
    return this.events.splice(0).map(({ reason }) => reason);
  }
  /** Notes of the events of this reason. */
  notes(reason: EventReason): string[] {
    return this.events.filter((event) => event.reason === reason).map(({ note }) => note);
  }
  get warnings(): string[] {
    return this.logged.filter(({ level }) => level === 'warn').map(({ message }) => message);
  }
}
