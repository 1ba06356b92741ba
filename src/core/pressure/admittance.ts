import { formatSeconds } from '../lib/units.ts';
import type { Constraint } from '../model/constraint.ts';
import { memoryLimitedBy, type Reading, unreclaimableBytes } from '../model/reading.ts';
import type { Level } from '../model/status.ts';
import { describeUse } from './describe.ts';
import type { Thresholds } from './level.ts';
import {
  isReady,
  nextReadiness,
  READY,
  type ReadinessInput,
  type ReadinessState,
  type ReclaimOutlook,
} from './readiness.ts';

/** A limit this near is no rest, whatever the last second shows. */
const RISING_SECONDS = 16;

export interface AdmittanceOptions extends Thresholds {
  maxUnready: number;
  /** No other replica could take the work that is refused. */
  alone?: boolean;
}

/** What one reading says of memory and of the constraint nearest beside it; times in milliseconds. */
export interface AdmittanceInput {
  reading: Reading;
  other: Constraint | null;
  memoryLevel: Level;
  otherLevel: Level;
  /** Of memory's nearer limit. */
  secondsToLimit: number | null;
  /** Observed time: what no reading has seen does not count. */
  nowMs: number;
  reclaim: ReclaimOutlook | undefined;
}

/** Use of one constraint, in its own unit. */
type Use = Pick<ReadinessInput, 'level' | 'heldBytes' | 'limitBytes' | 'alone'>;

/**
 * Readiness by usage: of memory, and of what is nearest beside it. Each has its own unit: a switch from one to the other is
 * neither a rise nor a fall.
 */
export class Admittance {
  readonly #options: AdmittanceOptions;
  #memory: ReadinessState = READY;
  #other: ReadinessState = READY;

  constructor(options: AdmittanceOptions) {
    this.#options = options;
  }

  /** Whether new work is admitted. */
  get ready(): boolean {
    return isReady(this.#memory) && isReady(this.#other);
  }
  /** Shedding frees nothing: ready all the same. */
  get stuck(): boolean {
    return this.ready && (this.#memory.stuck !== null || this.#other.stuck !== null);
  }
  /** A collection has made room: ready although the level is still held. */
  get relieved(): boolean {
    return this.ready && (this.#memory.relieved || this.#other.relieved);
  }

  judge({ reading, other, memoryLevel, otherLevel, secondsToLimit, nowMs, reclaim }: AdmittanceInput): void {
    // what falls or rests is the use of the limit that is near
    const heap = memoryLimitedBy(reading) === 'heap' ? reading.heap : null;
    const rising = secondsToLimit !== null && secondsToLimit < RISING_SECONDS;
    const memory = {
      level: memoryLevel,
      heldBytes: heap?.usedBytes ?? unreclaimableBytes(reading),
      limitBytes: heap?.limitBytes ?? reading.limitBytes,
      alone: this.#options.alone === true && !rising,
    };
    const known = reclaim && rising ? { ...reclaim, working: true } : reclaim;
    this.#memory = this.#next(this.#memory, memory, nowMs, known);
    const beside = { level: otherLevel, heldBytes: other?.used ?? 0, limitBytes: other?.limit ?? 1 };
    // what is known of collections and work in flight is about memory
    this.#other = this.#next(this.#other, beside, nowMs);
  }

  reset(): void {
    this.#memory = READY;
    this.#other = READY;
  }

  /** Why shedding frees nothing, in words. */
  describeStuck(reading: Reading, other: Constraint | null): string {
    const unready = `Un-ready for ${formatSeconds(this.#options.maxUnready / 1000)}`;
    const consequence =
      'shedding cannot help. The pod becomes ready again and /admit admits a share of requests.';
    if (this.#memory.stuck === null)
      return `${unready} and the constraint ${other?.name ?? 'beside memory'} did not fall: ${consequence}`;
    const seen = {
      hopeless: 'Usage is flat, nothing is in flight and GC frees nothing',
      no_other: 'The limit is not near, GC frees nothing and no other replica could take the work',
      too_long: `${unready} and usage did not fall`,
    }[this.#memory.stuck];
    return `${seen} (${describeUse(reading)}): ${consequence} Restart the agent or raise its memory limit.`;
  }

  #next(
    state: ReadinessState,
    { level, heldBytes, limitBytes, alone = false }: Use,
    nowMs: number,
    reclaim?: ReclaimOutlook,
  ): ReadinessState {
    const { warnRatio, shedRatio, recoverMargin, maxUnready: maxUnreadyMs } = this.#options;
    const shed = {
      enterBytes: shedRatio * limitBytes,
      leaveBytes: (shedRatio - recoverMargin) * limitBytes,
      calmBytes: (warnRatio - recoverMargin) * limitBytes,
    };
    return nextReadiness(state, {
      ...{ level, heldBytes, limitBytes, alone },
      ...{ nowMs, maxUnreadyMs, reclaim, shed },
    });
  }
}
