import type { GcReason, GcRun, GcWait } from '../../src/core/gc/decision.ts';
import type { Awaited } from '../../src/core/gc/left-by-work.ts';
import { GcPlan, type GcPlanOptions } from '../../src/core/gc/plan.ts';
import type { GcWay, HeapFacts } from '../../src/core/model/heap.ts';
import type { Level, Runtime } from '../../src/core/model/status.ts';
import { levelAt } from '../../src/core/pressure/level.ts';
import { DEFAULT_OPTIONS } from './options.ts';

const MB = 1e6;
const STEP_MS = 100;
/** Fast collections leave pages that come back after this time (Node 24). */
const QUICK_RETURNS_MS = 6000;

/** An agent's memory in MB: what is live, what is garbage by now, and pages that the heap has not given back. */
export class GcStory {
  readonly plan: GcPlan;
  nowMs = 1_000_000;
  limit = 512;
  live = 60;
  garbage = 0;
  /** Neither heap nor garbage: code, stacks, native libraries. */
  other = 20;
  /** Set: the heap's own limit. */
  heapLimit: number | null = null;
  external = 0;
  /** What does not come back although it was collected. */
  kept = 0;
  keeps = false;
  loadGone = false;
  outdated: Awaited | null = null;
  secondsToLimit: number | null = null;
  runtime: Runtime = 'node';
  /** Milliseconds that a full collection takes for each MB that is live; a fast one takes a third. */
  msPerMB = 0.93;
  readonly runs: {
    atS: number;
    way: GcWay;
    reason: GcReason;
    stallMs: number;
    freedMB: number;
    level: Level;
    secondsToLimit: number | null;
  }[] = [];
  wait: GcWait | undefined;

  get #leastMs(): number {
    return this.runtime === 'go' ? 0 : 10;
  }
  #committed = 0;
  #returnMs = Number.POSITIVE_INFINITY;
  readonly #startMs = this.nowMs;

  constructor(options: Partial<GcPlanOptions> = {}) {
    this.plan = new GcPlan({
      stallBudgetShare: DEFAULT_OPTIONS.gcStallBudget,
      warnRatio: DEFAULT_OPTIONS.warnRatio,
      sinceMs: this.nowMs,
      ...options,
    });
  }

  get seconds(): number {
    return (this.nowMs - this.#startMs) / 1000;
  }

  get held(): number {
    this.#committed = Math.max(this.#committed, this.live + this.garbage);
    if (this.nowMs >= this.#returnMs) {
      this.#committed = this.live + this.garbage;
      this.#returnMs = Number.POSITIVE_INFINITY;
    }
    return this.#committed + this.external + this.kept + this.other;
  }

  heap(): HeapFacts {
    const used = (this.live + this.garbage) * MB;
    return {
      usedBytes: used,
      committedBytes: Math.max(used, this.#committed * MB),
      limitBytes: this.heapLimit === null ? null : this.heapLimit * MB,
      limitedBytes: used,
      externalBytes: this.external * MB,
    };
  }

  /** For so many seconds; `each` may change the memory at every step. */
  goes(seconds: number, each: (second: number) => void = () => {}): this {
    const startMs = this.nowMs;
    while (this.nowMs < startMs + seconds * 1000) {
      this.nowMs += STEP_MS;
      each((this.nowMs - startMs) / 1000);
      this.asks();
    }
    return this;
  }

  asks(forced = false): void {
    const held = this.held;
    const heapRatio = this.heapLimit === null ? 0 : (this.live + this.garbage) / this.heapLimit;
    const ratio = Math.max(held / this.limit, heapRatio);
    const level = levelAt(ratio, 0, DEFAULT_OPTIONS);
    const { secondsToLimit } = this;
    const decision = this.plan.decide({
      ...{ nowMs: this.nowMs, level, ratio, secondsToLimit },
      heldBytes: held * MB,
      limitBytes: this.limit * MB,
      heap: this.runtime === 'python' ? null : this.heap(),
      runtime: this.runtime,
      loadGone: this.loadGone,
      outdated: this.outdated,
      forced,
    });
    if ('wait' in decision) {
      this.wait = decision.wait;
      return;
    }
    const atS = this.seconds;
    const run = this.#collect(decision.collect, held);
    this.plan.ran(run);
    const freedMB = Math.round(run.freedBytes / MB);
    const { way, stallMs } = run;
    this.runs.push({ atS, way, reason: decision.reason, stallMs, freedMB, level, secondsToLimit });
  }

  /** Stalls as measured on two shared cores. */
  #collect(way: GcWay, heldBefore: number): GcRun {
    const before = this.heap();
    const stallMs =
      way === 'full'
        ? this.#leastMs + this.msPerMB * (this.live + 0.2 * this.garbage)
        : 4 + (this.msPerMB / 3) * (this.live + 0.2 * this.garbage);
    this.nowMs += Math.round(stallMs);
    if (this.keeps) this.kept += this.external;
    this.external = 0;
    this.garbage = 0;
    if (way === 'full') this.#committed = this.live;
    else this.#returnMs = this.nowMs + QUICK_RETURNS_MS;
    const freed = Math.max(0, heldBefore - this.held);
    return {
      way,
      before: this.runtime === 'python' ? null : before,
      after: this.runtime === 'python' ? null : this.heap(),
      stallMs,
      endedMs: this.nowMs,
      freedBytes: freed * MB,
      usedBytesBefore: heldBefore * MB,
      usedBytesAfter: this.held * MB,
    };
  }
}
