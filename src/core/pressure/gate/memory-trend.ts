/** What is looked back on, in milliseconds, and how far apart samples are at least. */
const WINDOW_MS = 1000;
const SPACING_MS = 20;
/** Use that moves by less than this share of the limit, or by so much, rests: a runtime allocates and collects while it serves. */
const RESTS = { share: 0.005, bytes: 2 * 2 ** 20 };

interface Sample {
  atMs: number;
  usedBytes: number;
  started: number;
}

/** What memory use has done over the last second, beside how many requests started. */
export class MemoryTrend {
  readonly #samples: Sample[] = [];
  #floorBytes = Number.POSITIVE_INFINITY;
  #risenMs = Number.NEGATIVE_INFINITY;

  add(sample: Sample, limitBytes: number): void {
    const { atMs, usedBytes } = sample;
    const samples = this.#samples;
    const last = samples.at(-1);
    if (last && atMs - last.atMs < SPACING_MS) samples[samples.length - 1] = { ...sample, atMs: last.atMs };
    else samples.push(sample);
    while (samples.length > 2 && atMs - (samples[1]?.atMs ?? 0) >= WINDOW_MS) samples.shift();
    const moved = Math.max(RESTS.bytes, RESTS.share * limitBytes);
    if (usedBytes > this.#floorBytes + moved) this.#risenMs = atMs;
    if (usedBytes < this.#floorBytes || this.#risenMs === atMs) this.#floorBytes = usedBytes;
  }

  /** Bytes by which use has risen over the last second. */
  get risenBytes(): number {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    return first && last ? Math.max(0, last.usedBytes - first.usedBytes) : 0;
  }

  /** The same for each request that started meanwhile; where none did, those in flight grow. */
  get risenPerStart(): number {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    return first && last ? this.risenBytes / Math.max(1, last.started - first.started) : 0;
  }

  /** For how long use has not risen, in milliseconds. */
  restsForMs(nowMs: number): number {
    return nowMs - this.#risenMs;
  }
}
