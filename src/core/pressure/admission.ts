import type { Level, Status } from '../model/status.ts';

/** Highest weight a caller may give to one request. */
export const MAX_WEIGHT = 1000;

/** Share admitted all the same while stuck: enough that the agent goes on allocating, and with it collecting garbage. */
export const STUCK_SHARE = 0.1;

/** Options of admission. */
export interface AdmissionOptions {
  /** Below this ratio everything is admitted; default of the option `shed-ratio`: 0.85. */
  shedRatio: number;
  /** At this ratio and above nothing is admitted; default of the option `critical-ratio`: 0.92. */
  criticalRatio: number;
  /** What holds while there is no valid reading: `ready` (the default) fails open. */
  onBlind: 'ready' | 'unready';
}

/** Input of admission. */
export interface AdmissionInput extends Pick<Status, 'level' | 'ratio' | 'blind'> {
  /** Shedding has freed nothing for the longest un-ready time: then {@link STUCK_SHARE} is the least admitted share. */
  stuck?: boolean;
  /** A collection has made room while the level is still held: only the ratio counts. */
  relieved?: boolean;
  /** The agent is being recycled: nothing new is admitted. */
  recycling?: boolean;
}

/**
 * Share of requests to admit, 0…1, for work of ordinary weight.
 *
 * It follows the ratio and not the held level: once the ratio is back below the shed ratio, work is admitted again although
 * readiness still waits for its hold time. Only `critical` admits nothing for as long as it is held.
 */
export function admittedShare(input: AdmissionInput, options: AdmissionOptions): number {
  if (input.recycling) return 0;
  if (input.blind || input.ratio === null) return options.onBlind === 'ready' ? 1 : 0;
  const level = input.relieved ? 'shedding' : input.level;
  return Math.max(shareAt(input.ratio, level, options), input.stuck ? STUCK_SHARE : 0);
}

function shareAt(ratio: number, level: Level, { shedRatio, criticalRatio }: AdmissionOptions): number {
  if (level === 'critical' || ratio >= criticalRatio) return 0;
  if (ratio < shedRatio) return 1;
  return (criticalRatio - ratio) / (criticalRatio - shedRatio);
}

/**
 * Admits or refuses single requests so that exactly the wanted share gets in: over any run at one share the number admitted
 * differs from the share by less than one request, which drawing lots would not give.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  // One account for each doubling of the weight: with a single one, light requests would spend what heavy ones saved up.
  readonly #credit: Float64Array;

  /**
   * @param startPhase 0…1, where in its cycle this instance starts; give each replica its own, so that they do not all
   *   admit at the same moment
   */
  constructor(options: AdmissionOptions, startPhase = 0) {
    this.#options = options;
    this.#credit = new Float64Array(weightClass(MAX_WEIGHT) + 1).fill(Math.min(Math.max(startPhase, 0), 1));
  }

  /** @param weight how heavy the work is, above 0 and at most {@link MAX_WEIGHT}: its share is the ordinary share to this power */
  admit(input: AdmissionInput, weight = 1): boolean {
    const share = admittedShare(input, this.#options) ** weight;
    if (share >= 1) return true;
    if (share <= 0) return false;
    const account = weightClass(weight);
    const credit = (this.#credit[account] ?? 0) + share;
    const admitted = credit >= 1;
    this.#credit[account] = admitted ? credit - 1 : credit;
    return admitted;
  }
}

/** The weight a text says, or `undefined` when it is not a number above 0 and at most {@link MAX_WEIGHT}. */
export function parseWeight(text: string): number | undefined {
  if (!/^\d+(\.\d+)?$/.test(text)) return undefined;
  const weight = Number(text);
  return weight > 0 && weight <= MAX_WEIGHT ? weight : undefined;
}

function weightClass(weight: number): number {
  return weight <= 1 ? 0 : Math.ceil(Math.log2(weight));
}
