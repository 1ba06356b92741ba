import type { Finding } from '../../src/core/model/events.ts';
import type { Reading } from '../../src/core/model/reading.ts';
import { Judge, type JudgeOptions } from '../../src/core/pressure/judge.ts';

export const MiB = 2 ** 20;
export const DEFAULTS: JudgeOptions = {
  warnRatio: 0.75,
  shedRatio: 0.85,
  criticalRatio: 0.92,
  recoverMargin: 0.05,
  hold: 5000,
  maxUnready: 60_000,
  onBlind: 'ready',
};

export function readingOf(heldMiB: number, limitMiB = 512, cacheMiB = 0): Reading {
  return {
    atMs: 0,
    usedBytes: (heldMiB + cacheMiB) * MiB,
    reclaimableBytes: cacheMiB * MiB,
    anonBytes: heldMiB * MiB,
    shmemBytes: 0,
    kernelBytes: 0,
    limitBytes: limitMiB * MiB,
    limitSource: 'cgroup-v2',
    usageSource: 'cgroup-v2',
    rssBytes: heldMiB * MiB,
    heap: null,
    others: [],
  };
}

/** A judge on a clock of its own: readings are told, findings collected with the second they came in. */
export class Story {
  readonly judge: Judge;
  readonly told: { second: number; reason: Finding['reason']; note: string }[] = [];
  nowMs = 0;
  stepMs = 50;
  limitMiB = 512;

  constructor(options: Partial<JudgeOptions> = {}) {
    this.judge = new Judge({ ...DEFAULTS, ...options }, 0);
  }

  /** For so many seconds, memory in MiB follows `held(secondsSinceThen)`. */
  goes(seconds: number, held: (s: number) => number, cacheMiB = 0): this {
    const start = this.nowMs;
    while (this.nowMs < start + seconds * 1000) {
      this.nowMs += this.stepMs;
      if (this.nowMs % 1000 < this.stepMs) this.judge.load(0.5, this.nowMs);
      const reading = readingOf(held((this.nowMs - start) / 1000), this.limitMiB, cacheMiB);
      this.#keep(this.judge.step(reading, this.nowMs));
    }
    return this;
  }

  stays(seconds: number, heldMiB: number, cacheMiB = 0): this {
    return this.goes(seconds, () => heldMiB, cacheMiB);
  }

  /** For so many seconds nothing can be read. */
  blind(seconds: number, reason = 'memory.current cannot be read (ENODEV)'): this {
    const start = this.nowMs;
    while (this.nowMs < start + seconds * 1000) {
      this.nowMs += this.stepMs;
      this.#keep(this.judge.miss(reason, this.nowMs));
    }
    return this;
  }

  agentDies(reason = 'it was killed'): this {
    this.#keep(this.judge.agentGone(reason, this.nowMs));
    return this;
  }

  /** What was told since the last call, by reason. */
  news(): string[] {
    return this.told.splice(0).map(({ reason }) => reason);
  }

  #keep(findings: Finding[]): void {
    for (const { reason, note } of findings) this.told.push({ second: this.nowMs / 1000, reason, note });
  }
}
