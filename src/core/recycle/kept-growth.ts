/** Use of so long a time is one window; when there are too many, the older half of them becomes twice as wide. */
const WINDOW_MS = 3_000;
const MOST_WINDOWS = 512;
/** Samples closer than this are one: the lowest counts. */
const SAMPLE_MS = 250;
/** A process that starts fills memory for other reasons than its work. */
const STARTING_MS = 5_000;
/** Growth in fewer windows than this, weighed by size, is a burst: less than a ramp of 9 s or three steps. */
const LEAST_WINDOWS = 3;
/** By less than this share of the limit it has not grown. */
const LEAST_SHARE = 0.1;
/** In the later half of its work it grows by this share of what it did in the earlier half at least, all in all and since it has grown by half: else it fills up to a plateau. */
const STEADY = 0.5;
/** A window with less than this share of the mean growth of a window is of a pause; one is none. */
const PAUSE_SHARE = 0.2;
const PAUSE_WINDOWS = 2;
/** From this CPU use on, in cores, the agent is at work; less is work in part. More tells of no more: collections and profiles use it, too. */
const WORKING_CORES = 0.02;
/** Nothing in flight for so long is a pause; for less, a gap between two requests. */
const GAP_MS = 1_000;
/** With more in flight than that, use is higher for that reason. */
const AS_MANY = { times: 1.1, more: 4 };
/** Fewer requests than that are no measure of work. */
const LEAST_REQUESTS = 20;
/** What comes and goes is looked for in so many of the latest windows. */
const LATEST_WINDOWS = 20;

/** The agent at one moment. */
export interface KeptSample {
  /** Monotonic milliseconds. */
  nowMs: number;
  /** Unreclaimable bytes. */
  usedBytes: number;
  /** Requests in flight; `null` where that is unknown. */
  inFlight: number | null;
  /** The same at any level, of requests that hold memory while they run; `null` where that is unknown. */
  running: number | null;
  /** Requests that begin; `null` where no hook tells. */
  admittedPerSecond: number | null;
  /** CPU use in cores; `null` where that is unknown. */
  cpuCores: number | null;
}

/** Where the agent stands against its nearer limit. */
export interface Room {
  leftBytes: number;
  limitBytes: number;
  /** A collection has just freed nothing: what is there is in use. Else as much may be garbage as comes and goes. */
  collected: boolean;
  /** The agent is drained for it already: fewer are in flight for that reason. */
  begun?: boolean;
}

/** Growth that lasts. */
export interface LastingGrowth {
  grownBytes: number;
  /** For how long it has grown, pauses left out. */
  grownSeconds: number;
  /** Until the limit, in seconds of growth. */
  secondsToLimit: number;
  /** The most that it has grown by from one pause to the next, with what comes and goes; `null` where it has not gone on after one. */
  stretchBytes: number | null;
}

interface Window {
  endMs: number;
  /** Done until then, as milliseconds at work and as requests that have begun; `null` where those are unknown. */
  work: { ms: number; requests: number | null };
  /** Kept since. */
  keptBytes: number;
  /** In flight at the time of that. */
  running: number | null;
  peakBytes: number;
}

/**
 * What memory has grown by and never returned since, over a whole life of the agent: a forecast that survives a pause of the
 * work. Of each window counts what is kept to this day, the lowest use from then on; so garbage, and whatever else comes and
 * goes, is no growth. Growth lasts where it has come in many windows, at a pace that the work done since has not slowed down,
 * and by more than what is left to the limit: a rise is believed to go on for as far as it has come.
 */
export class KeptGrowth {
  #windows: Window[] = [];
  #bornMs: number | null = null;
  #seenMs: number | null = null;
  /** Nothing in flight is no work. */
  #work: Window['work'] = { ms: 0, requests: 0 };
  /** Nothing has been in flight for so long. */
  #emptyMs = 0;
  #sampledMs = 0;
  #lowest = Number.POSITIVE_INFINITY;
  /** In flight at the lowest use since the last sample. */
  #running: number | null = null;
  /** In flight when growth was last asked for, at the latest before the agent was drained for it. */
  #asMany: number | null = null;
  #highest = 0;
  /** What comes and goes, as of the last sample. */
  #swingBytes = 0;
  /** The last answer: the windows change with a sample only. */
  #answer:
    | { atMs: number; collected: boolean; growth: Omit<LastingGrowth, 'secondsToLimit'> | null }
    | undefined;

  /** Another life of the agent begins. */
  reset(): void {
    this.#windows = [];
    this.#bornMs = null;
    this.#seenMs = null;
    this.#work = { ms: 0, requests: 0 };
    this.#emptyMs = 0;
    this.#lowest = Number.POSITIVE_INFINITY;
    this.#highest = 0;
    this.#swingBytes = 0;
    this.#answer = undefined;
  }

  add(sample: KeptSample): void {
    const { nowMs, usedBytes, running } = sample;
    this.#bornMs ??= nowMs;
    if (nowMs - this.#bornMs < STARTING_MS) return;
    this.#works(sample, nowMs - (this.#seenMs ?? nowMs));
    this.#seenMs = nowMs;
    if (usedBytes <= this.#lowest) [this.#lowest, this.#running] = [usedBytes, running];
    this.#highest = Math.max(this.#highest, usedBytes);
    if (nowMs - this.#sampledMs < SAMPLE_MS) return;
    this.#sampledMs = nowMs;
    this.#keep(nowMs);
    this.#swingBytes = this.#comesAndGoes();
    [this.#lowest, this.#running] = [usedBytes, running];
    this.#highest = usedBytes;
  }

  #works({ inFlight, running, admittedPerSecond: perSecond, cpuCores }: KeptSample, forMs: number): void {
    const { ms, requests } = this.#work;
    // known at any level, it makes pauses below the warning level none of work either
    this.#emptyMs = (running ?? inFlight) === 0 ? this.#emptyMs + forMs : 0;
    const share = this.#emptyMs > GAP_MS ? 0 : Math.min(1, (cpuCores ?? 1) / WORKING_CORES);
    // before the first one no hook tells of any
    const isUnknown = requests === null || (perSecond === null && requests > 0);
    this.#work = {
      ms: ms + share * forMs,
      requests: isUnknown ? null : requests + ((perSecond ?? 0) * forMs) / 1000,
    };
  }

  /** The growth as of the last sample, against what is left now; `null` where it does not last. */
  lasting(room: Room): LastingGrowth | null {
    const { collected, begun } = room;
    if (!begun) this.#asMany = this.#windows.at(-1)?.running ?? null;
    if (this.#answer?.atMs !== this.#sampledMs || this.#answer.collected !== collected)
      this.#answer = { atMs: this.#sampledMs, collected, growth: this.#lasting(room) };
    const { growth } = this.#answer;
    // a collection may have made room since
    if (!growth || room.leftBytes > growth.grownBytes) return null;
    return { ...growth, secondsToLimit: (room.leftBytes / growth.grownBytes) * growth.grownSeconds };
  }

  #lasting({ leftBytes, limitBytes, collected }: Room): Omit<LastingGrowth, 'secondsToLimit'> | null {
    const windows = this.#comparable();
    const [first, last] = [windows[0], windows.at(-1)];
    if (!first || !last) return null;
    const mostBytes = last.keptBytes - (collected ? 0 : this.#swingBytes);
    const grownBytes = mostBytes - first.keptBytes;
    if (grownBytes < LEAST_SHARE * limitBytes || leftBytes > grownBytes) return null;
    let [squares, perSecond] = [0, 0];
    let before = first;
    for (const window of windows) {
      const rise = Math.min(window.keptBytes, mostBytes) - Math.min(before.keptBytes, mostBytes);
      squares += rise * rise;
      perSecond += (1000 * rise * rise) / Math.max(WINDOW_MS, window.endMs - before.endMs);
      before = window;
    }
    if (grownBytes * grownBytes < LEAST_WINDOWS * squares) return null;
    const grownSeconds = (grownBytes * grownBytes) / perSecond;
    // what has filled up after a rest, or after work of another kind, has been steady against all of its life
    const halfBytes = first.keptBytes + grownBytes / 2;
    const laterHalf = windows.slice(windows.findLastIndex(({ keptBytes }) => keptBytes <= halfBytes));
    if (!isSteady(windows, mostBytes) || !isSteady(laterHalf, mostBytes)) return null;
    const stretch = longestStretch(windows, PAUSE_SHARE * (squares / grownBytes));
    const stretchBytes = stretch === null ? null : stretch + this.#swingBytes;
    return { grownBytes, grownSeconds, stretchBytes };
  }

  /** Since as many were in flight as now: before, use was lower for that reason. */
  #comparable(): readonly Window[] {
    const now = this.#asMany;
    if (now === null) return this.#windows;
    const from = this.#windows.findIndex(
      ({ running }) => running === null || now <= AS_MANY.times * running + AS_MANY.more,
    );
    return this.#windows.slice(from);
  }

  /** The most that was there lately and is no longer. */
  #comesAndGoes(): number {
    const gone = ({ peakBytes, keptBytes }: Window) => peakBytes - keptBytes;
    return Math.max(0, ...this.#windows.slice(-LATEST_WINDOWS).map(gone));
  }

  #keep(nowMs: number): void {
    const windows = this.#windows;
    const [keptBytes, running] = [this.#lowest, this.#running];
    for (let i = windows.length - 1; i >= 0; i--) {
      const window = windows[i];
      if (!window || window.keptBytes <= keptBytes) break;
      Object.assign(window, { keptBytes, running });
    }
    const last = windows.at(-1);
    const isSame = last && Math.floor(last.endMs / WINDOW_MS) === Math.floor(nowMs / WINDOW_MS);
    const peakBytes = Math.max(this.#highest, isSame ? last.peakBytes : 0);
    const window = { endMs: nowMs, work: this.#work, keptBytes, running, peakBytes };
    if (isSame) Object.assign(last, window);
    else windows.push(window);
    if (windows.length <= MOST_WINDOWS) return;
    const older = windows.slice(0, MOST_WINDOWS / 2);
    const wide = older.flatMap((each, i) => (i % 2 === 0 ? [] : [wider(older[i - 1], each)]));
    this.#windows = [...wide, ...windows.slice(older.length)];
  }
}

function wider(before: Window | undefined, window: Window): Window {
  return { ...window, peakBytes: Math.max(window.peakBytes, before?.peakBytes ?? 0) };
}

/** Whether use has grown about as much in the later half of its work as in the earlier one, or more. @param mostBytes more is what comes and goes */
function isSteady(windows: readonly Window[], mostBytes: number): boolean {
  const [first, last] = [windows[0], windows.at(-1)];
  if (!first || !last) return false;
  // an agent that is kept from its work by what it holds does less of it in the same time, and grows by as much with each request
  const begun = (last.work.requests ?? 0) - (first.work.requests ?? 0);
  const unit = begun < LEAST_REQUESTS ? 'ms' : 'requests';
  const workOf = ({ work }: Window) => work[unit] ?? 0;
  const halfWork = (workOf(first) + workOf(last)) / 2;
  const half = windows.findLast((window) => workOf(window) <= halfWork) ?? first;
  const halfBytes = Math.min(half.keptBytes, mostBytes);
  return mostBytes - halfBytes >= STEADY * (halfBytes - first.keptBytes);
}

/** The most growth between two pauses; `null` where there is but one stretch. @param restBytes what a window of a pause grows by at most */
function longestStretch(windows: readonly Window[], restBytes: number): number | null {
  let [stretches, longestBytes, bytes, pause] = [0, 0, 0, PAUSE_WINDOWS];
  let before = windows[0]?.keptBytes ?? 0;
  for (const { keptBytes } of windows) {
    const rise = keptBytes - before;
    before = keptBytes;
    if (rise <= restBytes) {
      pause++;
      continue;
    }
    if (pause >= PAUSE_WINDOWS) {
      stretches++;
      bytes = 0;
    }
    pause = 0;
    bytes += rise;
    longestBytes = Math.max(longestBytes, bytes);
  }
  return stretches < 2 ? null : longestBytes;
}
