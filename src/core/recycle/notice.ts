/** A balancer that asks each second goes on sending for so long after the agent is un-ready. */
const NOTICED_MS = 1300;
/** Who has probed readiness within this time goes on probing. */
const PROBES_MS = 15_000;

/** Whether clients have noticed that the agent is un-ready, by the probes of readiness. */
export class Notice {
  readonly #alone: boolean;
  #kubeletProbes = 0;
  #probedMs = Number.NEGATIVE_INFINITY;
  /** The first probe since the last ready answer; `null` while that is the last. */
  #unreadyMs: number | null = null;

  /** @param alone nobody else could take the work */
  constructor(alone: boolean) {
    this.#alone = alone;
  }

  /** Readiness probes of the kubelet so far. */
  get kubeletProbes(): number {
    return this.#kubeletProbes;
  }

  /** A probe gets this answer. */
  probed(ready: boolean, byKubelet: boolean, nowMs: number): void {
    if (byKubelet) this.#kubeletProbes++;
    this.#probedMs = nowMs;
    this.#unreadyMs = ready ? null : (this.#unreadyMs ?? nowMs);
  }

  /**
   * They have, or had the time to: no new work comes. Where nobody else could take it, the first probe tells, and without probes nobody
   * needs to notice.
   * @param closedMs since when the agent is un-ready
   */
  given(closedMs: number, nowMs: number): boolean {
    if (nowMs - closedMs >= NOTICED_MS) return true;
    return this.#alone && (this.#unreadyMs !== null || !this.#isProbed(nowMs));
  }

  #isProbed(nowMs: number): boolean {
    return nowMs - this.#probedMs < PROBES_MS;
  }
}
