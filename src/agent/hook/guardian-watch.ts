/** While requests wait or are refused, a guardian says something each second: one that was silent for so long is hung. */
const SILENT_MS = 2500;
/** Between two looks this process may have been blocked, or stopped itself. What was said meanwhile is read after the look, so no more than this counts. */
const BLOCKED_MS = 500;

/** Whether a guardian watches this process: at rest it may have nothing to say for hours. */
export class GuardianWatch {
  #heardMs = Number.NEGATIVE_INFINITY;
  /** When that was last asked; infinity while no request waits. */
  #lookedMs = Number.POSITIVE_INFINITY;
  /** For how long requests have waited without a word of it, as far as this process could have heard one. */
  #unheardMs = 0;

  /** It has said something. */
  hear(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#unheardMs = 0;
  }

  /** It has said nothing lately. */
  isSilent(nowMs: number): boolean {
    return nowMs - this.#heardMs >= SILENT_MS;
  }

  /** It is silent although requests wait: for that long, too. To be asked again and again while they do. */
  isHung(nowMs: number, waits: boolean): boolean {
    const sinceMs = Math.max(0, Math.min(BLOCKED_MS, nowMs - this.#lookedMs));
    this.#lookedMs = waits ? nowMs : Number.POSITIVE_INFINITY;
    this.#unheardMs = waits ? this.#unheardMs + sinceMs : 0;
    return this.#unheardMs >= SILENT_MS;
  }
}
