import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { messageOf } from '../core/lib/errors.ts';
import { ratioOf, type Usage, unreclaimableBytes } from '../core/model/reading.ts';
import type { GateUse } from '../core/pressure/gate/memory-room.ts';
import { Judge, type JudgeOptions } from '../core/pressure/judge.ts';
import { statusBytes } from '../core/proc/proc-text.ts';
import { AgentMemory } from '../sources/memory.ts';
import type { PressureState } from './pressure.ts';

/** Reads and judges this process's own memory, as a sidecar would: its cgroup, or its RSS where that is not its own. */
export class OwnReadings {
  readonly #memory: AgentMemory;
  readonly #judge: Judge;
  #ratio: number | null = null;
  #use: GateUse | null = null;
  #readMs = Number.NEGATIVE_INFINITY;

  /** @param limitBytes overrides the kernel's limit, or sets one where there is none; default: the kernel's, else the machine's */
  constructor(options: JudgeOptions, nowMs: number, limitBytes?: number) {
    this.#judge = new Judge(options, nowMs);
    this.#memory = new AgentMemory({
      procRoot: '/proc',
      pid: 'self',
      rss: { read: readRss },
      limitBytes,
      machineBytes: totalmem(),
      privateGroup: false,
    });
  }

  /** Monotonic time of the last look. */
  get readMs(): number {
    return this.#readMs;
  }

  /** Bytes at the last look; `null` while nothing can be read. */
  get use(): GateUse | null {
    return this.#use;
  }

  /** Looks now. With the kernel's files kept open this costs some 5 µs. */
  read(nowMs: number): PressureState {
    this.#readMs = nowMs;
    const judge = this.#judge;
    try {
      const reading = this.#memory.read(nowMs);
      judge.step(reading, nowMs);
      this.#ratio = ratioOf(reading);
      this.#use = { usedBytes: unreclaimableBytes(reading), limitBytes: reading.limitBytes };
    } catch (error) {
      judge.miss(messageOf(error), nowMs);
      if (judge.blind) {
        this.#ratio = null;
        this.#use = null;
      }
    }
    const { level, stuck, outlook } = judge;
    return { level, stuck, ratio: this.#ratio, secondsToLimit: outlook.secondsToLimit };
  }

  close(): void {
    this.#memory.close();
  }
}

function readRss(into: Usage): void {
  into.usedBytes = process.memoryUsage.rss();
  into.reclaimableBytes = Math.min(into.usedBytes, filePages());
}

/** Code and mapped files, which the kernel can drop: some 45 MiB of Node itself. 0 where the system does not tell. */
function filePages(): number {
  try {
    return statusBytes(readFileSync('/proc/self/status', 'latin1'), 'RssFile');
  } catch {
    return 0; // no /proc: then all of it counts
  }
}
