/** One request that waits for its start. */
export interface Waiting {
  /** Bytes that are held back for it. */
  bytes: number;
  untilMs: number;
  /** The same above the critical ratio. */
  criticalUntilMs: number;
  left: boolean;
  /** 0, or by one more than that of what runs and it is part of: what has begun is to end before more begins. */
  depth: number;
}

const MOST_WAITING = 10_000;
/** What is held back for all that wait may be this share of the limit. */
const WAITING_SHARE = 0.04;

/** First in, first out, deeper parts of what runs before the others; bounded by what is held back for those that wait. Who leaves from the middle is skipped, and dropped before such are the most. */
export class WaitQueue<T extends Waiting> {
  #entries: T[] = [];
  #first = 0;
  #count = 0;
  #bytes = 0;

  get count(): number {
    return this.#count;
  }
  /** Held back for all that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Nobody else may wait for whom so much would be held back. */
  isFull(moreBytes: number, limitBytes = Number.POSITIVE_INFINITY): boolean {
    return this.#count >= MOST_WAITING || this.#bytes + moreBytes > WAITING_SHARE * limitBytes;
  }

  /** The one whose turn it is. */
  get head(): T | undefined {
    while (this.#entries[this.#first]?.left) this.#first++;
    if (this.#first > 64 && 2 * this.#first > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    return this.#entries[this.#first];
  }

  /**
   * Those that have waited for too long, wherever they stand: not everybody waits equally long.
   * @param critical memory is above the critical ratio, with next to nothing in flight that could end
   */
  late(nowMs: number, critical: boolean): T[] {
    return this.#entries.filter(
      ({ left, untilMs, criticalUntilMs }) => !left && nowMs >= (critical ? criticalUntilMs : untilMs),
    );
  }

  add(entry: T): void {
    let at = this.#entries.length;
    if (entry.depth > 0) for (at = this.#first; (this.#entries[at]?.depth ?? 0) >= entry.depth; ) at++;
    this.#entries.splice(at, 0, entry);
    this.#count++;
    this.#bytes += entry.bytes;
  }

  /** Its turn has come, or it waits no more. */
  remove(entry: T): void {
    entry.left = true;
    this.#count--;
    this.#bytes -= entry.bytes;
    if (this.#entries.length - this.#first <= 2 * this.#count + 64) return;
    // impatient clients that come again and again behind a patient one
    this.#entries = this.#entries.filter(({ left }) => !left);
    this.#first = 0;
  }
}
