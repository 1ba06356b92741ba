/** Memory of this process at one moment of the machine's monotonic clock. */
interface Sample {
  atMs: number;
  rssBytes: number;
}

/** What is said was read a moment before it is heard: longer ago, while this process was busy. */
const KEPT_MS = 1000;

/**
 * The memory of this process over the last second. A guardian's reading that waited for a busy event loop is as old as that
 * was busy; in one of 256 MiB, 70 MiB had come meanwhile.
 */
export class OwnGrowth {
  readonly #samples: Sample[] = [];

  /** As it is now. */
  add(sample: Sample): void {
    const samples = this.#samples;
    samples.push(sample);
    while (sample.atMs - (samples[1]?.atMs ?? sample.atMs) > KEPT_MS) samples.shift();
  }

  /** As it was then, between two samples in proportion; before the first of them or after the last as at that one. */
  rssAt(atMs: number): number {
    const after = this.#samples.findIndex((sample) => sample.atMs > atMs);
    const to = this.#samples.at(after);
    const from = after > 0 ? this.#samples[after - 1] : to;
    if (!from || !to || from === to) return to?.rssBytes ?? 0;
    const share = (atMs - from.atMs) / (to.atMs - from.atMs);
    return from.rssBytes + share * (to.rssBytes - from.rssBytes);
  }
}
