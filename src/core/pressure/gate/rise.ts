import type { Entry } from './entry.ts';

/** Use at one moment, and what has started until then. */
interface Since {
  usedBytes: number;
  /** By what those of known kinds that have started were expected to raise use. */
  knownBytes: number;
  /** How many of other kinds have started. */
  unknown: number;
}

/** What those in flight have raised use by so far, as long as use rises: they are expected to do so by as much again. */
export class Rise {
  #surpriseBytes = 0;
  #surpriseEach = 0;
  #unknownEach = 0;

  /** By how much all of them have raised use beyond what is known of their kinds, in bytes: heavy ones among light ones. */
  get surpriseBytes(): number {
    return this.#surpriseBytes;
  }

  /** What each of a kind has raised use by, beyond what is known of it, in bytes. */
  each(isKnown: boolean): number {
    return isKnown ? this.#surpriseEach : Math.max(this.#surpriseEach, this.#unknownEach);
  }

  /**
   * @param running in the order of their starts
   * @param rises 1 while use rises, 0 where it has rested for long
   */
  follow(
    running: Iterable<Entry>,
    since: Since,
    { rises, isKnown }: { rises: number; isKnown: (kind: string) => boolean },
  ): void {
    let [counted, surprise, unknown] = [0, null as number | null, null as number | null];
    for (const { request, counts, startBytes, unknownCount, knownBytes } of running) {
      if (!counts || startBytes === 0) continue;
      const risen = Math.max(0, since.usedBytes - startBytes - (since.knownBytes - knownBytes));
      counted++;
      surprise ??= risen;
      if (!isKnown(request.kind)) unknown ??= risen / (since.unknown - unknownCount);
    }
    this.#surpriseBytes = rises * (surprise ?? 0);
    this.#surpriseEach = this.#surpriseBytes / Math.max(1, counted);
    this.#unknownEach = rises * (unknown ?? 0);
  }
}
