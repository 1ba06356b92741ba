import { unreclaimableBytes } from '../core/model/reading.ts';
import type { Level } from '../core/model/status.ts';
import type { PostMortem } from '../core/report/post-mortem.ts';
import type { LogLine, Probe } from './guarded-agent.ts';

/** Readings closer than this to the last one add nothing to a picture, unless the level differs. */
const APART_SECONDS = 0.1;

/** One demo run as a picture needs it. Times are seconds from the first probe. */
export interface DemoRun {
  node: string;
  platform: string;
  limitBytes: number;
  limitSource: string | null;
  /** `[seconds, unreclaimable bytes]`, as the guardian read them. */
  readings: [seconds: number, heldBytes: number][];
  transitions: { seconds: number; from: Level; to: Level }[];
  /** `[seconds, HTTP status of /readyz, conversations]`, wherever one of the two differs from before. */
  probes: [seconds: number, code: number, conversations: number][];
  events: { seconds: number; event: string }[];
  end: { seconds: number; cause: string; reason: string };
}

/** Collects what a balancer sees, and adds at the end what the post-mortem kept. */
export class Recording {
  readonly #startMs = performance.now();
  readonly #startWallMs = Date.now();
  readonly #probes: DemoRun['probes'] = [];

  /** Since the first probe. */
  get seconds(): number {
    return round((performance.now() - this.#startMs) / 1000);
  }

  add({ code }: Probe, conversations: number): void {
    const last = this.#probes.at(-1);
    if (last?.[1] !== code || last[2] !== conversations)
      this.#probes.push([this.seconds, code, conversations]);
  }

  /** As JSON, one reading a line. */
  render(report: PostMortem, events: readonly LogLine[]): string {
    const at = (iso: string) => round((Date.parse(iso) - this.#startWallMs) / 1000);
    const readings: DemoRun['readings'] = [];
    let level: Level | undefined;
    for (const reading of report.readings) {
      const seconds = at(reading.at);
      const last = readings.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY;
      if (seconds < 0 || (reading.level === level && seconds - last < APART_SECONDS)) continue;
      level = reading.level;
      readings.push([seconds, unreclaimableBytes(reading)]);
    }
    const run: DemoRun = {
      node: process.version,
      platform: `${process.platform} ${process.arch}`,
      limitBytes: report.readings.at(-1)?.limitBytes ?? 0,
      limitSource: report.status.limitSource,
      end: { seconds: at(report.at), cause: report.cause, reason: report.reason },
      transitions: report.transitions.map(({ at: iso, from, to }) => ({ seconds: at(iso), from, to })),
      events: events.map(({ time, event = '' }) => ({ seconds: at(time), event })),
      probes: this.#probes,
      readings,
    };
    const text = (value: unknown) =>
      Array.isArray(value)
        ? `[\n${value.map((each) => `    ${JSON.stringify(each)}`).join(',\n')}\n  ]`
        : JSON.stringify(value);
    return `{\n${Object.entries(run)
      .map(([key, value]) => `  "${key}": ${text(value)}`)
      .join(',\n')}\n}`;
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
