/** The agent at one moment. */
export interface AdmittedInput {
  /** Monotonic milliseconds. */
  nowMs: number;
  heldBytes: number;
  /** For how long use has risen, in seconds. */
  risingSeconds: number;
  /** Requests in flight; `null` where no hook tells. */
  running: number | null;
  /** Requests that wait for memory; `null` where no gate is before the agent. */
  waiting: number | null;
}

/** A request has shown what it holds within this time. */
const SHOWN_MS = 2000;
/** Where, longer ago than that, as many were in flight with less in use, what has risen since is no request's: so far back, by more than garbage. */
const BEFORE_MS = 10_000;
const MORE = 1.01;
const SPACING_MS = 100;
/** More in flight by less than this is no wave: by number, and by share. */
const WAVE = { least: 4, share: 0.1 };

interface Sample {
  atMs: number;
  heldBytes: number;
  running: number;
  waiting: number;
}

/**
 * A rise by no more than the gate has just admitted ends with what it admits: ten requests in flight hold as much as ten do,
 * and use says nothing of the time after that. What rises on once they have shown what they hold is believed from then on; and
 * where as many come and go again and again, at once.
 */
export class AdmittedRise {
  #samples: Sample[] = [];
  #admittedMs = Number.NEGATIVE_INFINITY;

  /** Another life of the agent begins. */
  reset(): void {
    this.#samples = [];
    this.#admittedMs = Number.NEGATIVE_INFINITY;
  }

  /** At each judged reading: for how long use has risen by more than that, in seconds. */
  secondsBeyond({ nowMs, heldBytes, risingSeconds, running, waiting }: AdmittedInput): number {
    if (running === null || waiting === null) return risingSeconds;
    this.#samples = this.#samples.filter(({ atMs }) => nowMs - atMs <= BEFORE_MS);
    const now = { atMs: nowMs, heldBytes, running, waiting };
    const isRecent = ({ atMs }: Sample) => nowMs - atMs <= SHOWN_MS;
    const held = this.#samples.some(
      (before) => !isRecent(before) && before.running >= running && MORE * before.heldBytes < heldBytes,
    );
    if (!held && this.#samples.some((before) => isRecent(before) && isWave(before, now)))
      this.#admittedMs = nowMs;
    const last = this.#samples.at(-1);
    if (!last || nowMs - last.atMs >= SPACING_MS) this.#samples.push(now);
    return Math.min(risingSeconds, (nowMs - this.#admittedMs) / 1000);
  }
}

/** Some waited, many more are in flight, and use has risen by no larger share than they have. */
function isWave(before: Sample, now: Sample): boolean {
  const more = now.running - before.running;
  if (before.waiting === 0 || more < Math.max(WAVE.least, WAVE.share * before.running)) return false;
  return now.heldBytes * before.running <= before.heldBytes * now.running;
}
