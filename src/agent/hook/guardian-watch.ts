/** While requests wait or are refused, a guardian says something each second: one that was silent for so long is hung. */
const SILENT_MS = 2500;

/** Whether a guardian watches this process: at rest it may have nothing to say for hours. */
export class GuardianWatch {
  #heardMs = Number.NEGATIVE_INFINITY;
  /** Infinity while no request waits. */
  #waitsSinceMs = Number.POSITIVE_INFINITY;

  /** It has said something. */
  hear(nowMs: number): void {
    this.#heardMs = nowMs;
  }

  /** It has said nothing lately. */
  isSilent(nowMs: number): boolean {
    return nowMs - this.#heardMs >= SILENT_MS;
  }

  /** It is silent although requests wait: for that long, too. To be asked again and again while they do. */
  isHung(nowMs: number, waits: boolean): boolean {
    this.#waitsSinceMs = waits ? Math.min(this.#waitsSinceMs, nowMs) : Number.POSITIVE_INFINITY;
    return this.isSilent(nowMs) && nowMs - this.#waitsSinceMs >= SILENT_MS;
  }
}
