import { type Reading, unreclaimableBytes } from '../../model/reading.ts';
import type { Thresholds } from '../level.ts';

/** Something that may run out. */
export interface GateUse {
  usedBytes: number;
  limitBytes: number;
}

/** What is known of memory at one moment. */
export interface GateMemory extends Pick<Thresholds, 'shedRatio' | 'criticalRatio'> {
  /** The container's memory first, by which requests are measured; then the runtime's heap. */
  uses: readonly [container: GateUse, ...others: GateUse[]];
}

/** By a reading of the guardian's own. */
export function gateMemoryOf(
  reading: Reading,
  { shedRatio, criticalRatio }: Pick<Thresholds, 'shedRatio' | 'criticalRatio'>,
): GateMemory {
  const { limitBytes, heap } = reading;
  const container = { usedBytes: unreclaimableBytes(reading), limitBytes };
  return { uses: heap ? [container, heap] : [container], shedRatio, criticalRatio };
}

/** For each of these that are free one request may start of which nothing is known: a tool's output, parsed and copied. */
const ROOM_BYTES = 32 * 2 ** 20;
/** The line up to which requests are admitted freely lies this far below the shed ratio: readiness is not to be lost. */
const BELOW_SHED = 0.05;
/** Above that line a request has to fit in so often, and so much of the limit has to stay free below the critical ratio. */
const SAFETY = { guessed: 2, known: 1.3 };
const SPARE = 0.01;
/** Requests of which it is known what they hold may go on above the critical ratio: so often that, and no less than the spare, has to fit below this. */
const KNOWN = { safety: 2.5, spare: 0.02, line: 0.98 };

/** Up to which share of the limit requests are admitted freely. */
export const gateLine = (shedRatio: number): number => shedRatio - BELOW_SHED;

/** How much room there is in memory, as it is at one moment. */
export class MemoryRoom {
  readonly #memory: GateMemory;

  constructor(memory: GateMemory) {
    this.#memory = memory;
  }

  /** Of the container, by whose memory requests are measured. */
  get usedBytes(): number {
    return this.#memory.uses[0].usedBytes;
  }
  get limitBytes(): number {
    return this.#memory.uses[0].limitBytes;
  }

  /** How many requests may start of which nothing is known. */
  get unknownRequests(): number {
    const { uses } = this.#memory;
    const free = uses.map(({ usedBytes, limitBytes }) => this.#line * limitBytes - usedBytes);
    return Math.floor(Math.min(...free) / ROOM_BYTES);
  }

  /** Whether the container is above the line up to which requests are admitted freely. A heap comes there again and again before V8 collects. */
  get isNear(): boolean {
    return this.usedBytes >= this.#line * this.limitBytes;
  }

  get isCritical(): boolean {
    return this.#ratio >= this.#memory.criticalRatio;
  }

  /**
   * Whether so much more stays below the line, or, above it, somewhat more than that below the critical ratio.
   * @param isKnown it is known and no guess
   */
  fits(bytes: number, isKnown: boolean): boolean {
    const { uses, criticalRatio } = this.#memory;
    const safety = isKnown ? SAFETY.known : SAFETY.guessed;
    return uses.every(
      ({ usedBytes, limitBytes }) =>
        usedBytes + bytes < this.#line * limitBytes ||
        usedBytes + Math.max(safety * bytes, SPARE * limitBytes) < criticalRatio * limitBytes ||
        (isKnown &&
          usedBytes + Math.max(KNOWN.safety * bytes, KNOWN.spare * limitBytes) < KNOWN.line * limitBytes),
    );
  }

  get #line(): number {
    return gateLine(this.#memory.shedRatio);
  }

  get #ratio(): number {
    return Math.max(...this.#memory.uses.map(({ usedBytes, limitBytes }) => usedBytes / limitBytes));
  }
}
