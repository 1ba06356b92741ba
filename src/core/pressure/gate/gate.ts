import { ConcurrencyWindow } from './concurrency-window.ts';
import { type Entry, entryOf, type GateEntry, type GateRequest } from './entry.ts';
import { type GateMemory, MemoryRoom } from './memory-room.ts';
import { MemoryTrend } from './memory-trend.ts';
import { RequestCost } from './request-cost.ts';
import { Rise } from './rise.ts';
import { borneOutMs, Throughput } from './throughput.ts';
import { WaitQueue } from './wait-queue.ts';

const LONGEST_RETRY_SECONDS = 30;
/** A request has shown what it holds after the usual duration of one, within these bounds. */
const SHOWN_MS = { least: 100, most: 1000 };
/** Use that rises by more than this share of the limit within a second is not at rest. */
const RISES_SHARE = 0.01;
/** A runtime takes and returns so much while it serves. */
const NOISE_BYTES = 4 * 2 ** 20;
/** Below the critical ratio, more than the window may be in flight where what they hold is known and fits in so often. */
const PROVEN = 1.5;
/** Once those in flight have raised use by this share of the limit beyond what is known of their kinds, nobody joins them as long as it rises and as much again would not fit. */
const SURPRISE_SHARE = 0.1;
/** Nothing has moved for so long: above the critical ratio one request is admitted all the same; the next after half of that, if the one before has moved nothing. */
const RESTS_MS = { most: 2000, least: 100 };

/**
 * How many requests may be in flight, from what memory does. Who cannot start waits in a bounded queue, in order, and is
 * refused at its end. With nothing in flight one is admitted: it never comes to a halt. Without memory known it is open.
 */
export class Gate {
  readonly #queue = new WaitQueue<Entry>();
  readonly #window = new ConcurrencyWindow();
  readonly #cost = new RequestCost();
  readonly #trend = new MemoryTrend();
  readonly #rise = new Rise();
  readonly #throughput = new Throughput();
  readonly #running = new Set<Entry>();
  #room: MemoryRoom | null = null;
  /** How many of those in flight count, and for how much: not who waits for a part of itself, or it would wait for ever, nor who lasts. */
  #counted = 0;
  #weight = 0;
  #lasting = 0;
  #started = 0;
  /** Of these, how many were of kinds of which too little was known. */
  #unknown = 0;
  /** By so much the others were expected to raise use, in bytes. */
  #knownBytes = 0;
  #refused = 0;
  /** What those that have started lately are still expected to add, in bytes. */
  #expectedBytes = 0;
  #drainingSeconds: number | null = null;
  #restsMs = RESTS_MS.most;
  /** Least use since the last request that was admitted so moved it. */
  #restsAtBytes = Number.POSITIVE_INFINITY;
  #grewMs = Number.NEGATIVE_INFINITY;

  get inFlight(): number {
    return this.#running.size;
  }
  get waiting(): number {
    return this.#queue.count;
  }
  /** Refused since the start. */
  get refused(): number {
    return this.#refused;
  }

  /** How long one that comes now would wait, in milliseconds: as those tell that have ended; unless many wait, as far as the first that does bears that out. */
  waitMs(nowMs: number): number {
    const waitedMs = nowMs - (this.#queue.head?.sinceMs ?? nowMs);
    const many = this.#queue.count > this.#running.size - this.#lasting;
    return many ? Math.max(waitedMs, this.#estimatedMs) : borneOutMs(this.#estimatedMs, waitedMs);
  }

  /** Until all have ended that are in flight, at the latest as far as their kinds tell: in milliseconds. Those that last may never end. */
  endsInMs(nowMs: number): number {
    let most = 0;
    for (const { request, startMs, lasting } of this.#running)
      most = Math.max(most, this.#throughput.endsInMs(request.kind, nowMs - startMs, lasting));
    return most;
  }

  /** A request has come. */
  enter(request: GateRequest, nowMs: number): GateEntry {
    const outer = request.within as Entry | undefined;
    const within = outer?.state === 'running' ? outer : undefined;
    const entry = entryOf(request, within, nowMs);
    if (within) {
      within.parts++;
      this.#count(within);
    }
    if (this.#drainingSeconds !== null) this.#refuse(entry);
    else if (this.#isNext(entry) && this.#mayStart(entry, nowMs)) this.#start(entry, nowMs);
    else if (this.#queue.isFull(request.heldBytes, this.#room?.limitBytes)) this.#refuse(entry);
    else this.#queue.add(entry);
    return entry;
  }

  /** It has ended, or its client has gone. */
  leave(gone: GateEntry, nowMs: number): void {
    const entry = gone as Entry;
    const before = entry.state;
    entry.state = 'left';
    if (before === 'waiting') this.#queue.remove(entry);
    else if (before === 'running') this.#end(entry, nowMs);
    this.#rejoin(entry);
    this.#admit(nowMs);
  }

  /** What memory is now; `null` where that is not known. To be called each 50 ms while requests run or wait. */
  observe(memory: GateMemory | null, nowMs: number): void {
    this.#room = memory && new MemoryRoom(memory);
    if (this.#room) {
      const { usedBytes, limitBytes, unknownRequests, isNear } = this.#room;
      this.#trend.add({ atMs: nowMs, usedBytes, started: this.#started }, limitBytes);
      this.#window.validate(nowMs, this.#weight, unknownRequests);
      if (isNear && this.#rises && !this.#allFits) this.#window.shrink(nowMs, this.#weight);
      this.#cost.follow({ atMs: nowMs, usedBytes, inFlight: this.#showAll(nowMs) }, limitBytes);
    }
    this.#admit(nowMs);
    for (const entry of this.#queue.late(nowMs, this.#stands)) this.#refuseWaiting(entry);
  }

  /** The agent is to be restarted: who waits or comes is refused; `null` ends that. */
  drain(retryAfterSeconds: number | null): void {
    this.#drainingSeconds = retryAfterSeconds;
    if (retryAfterSeconds === null) return;
    for (let entry = this.#queue.head; entry; entry = this.#queue.head) this.#refuseWaiting(entry);
  }

  /** Admits whose turn it is, and refuses who has waited for too long. */
  #admit(nowMs: number): void {
    for (let entry = this.#queue.head; entry; entry = this.#queue.head) {
      if (this.#mayStart(entry, nowMs)) {
        this.#queue.remove(entry);
        this.#start(entry, nowMs);
        entry.request.admit();
      } else if (nowMs >= entry.untilMs) this.#refuseWaiting(entry);
      else return;
    }
  }

  #mayStart({ request, weight }: Entry, nowMs: number): boolean {
    const room = this.#room;
    if (!room) return true;
    const alone = this.#counted === 0;
    if (alone && (!room.isCritical || this.#trend.restsForMs(nowMs) >= this.#restsMs)) return true;
    const { surpriseBytes } = this.#rise;
    if (!alone && surpriseBytes > SURPRISE_SHARE * room.limitBytes && !room.fits(surpriseBytes, false))
      return false;
    const { kind } = request;
    const isKnown = this.#cost.isKnown(kind);
    const risen = this.#rise.each(isKnown);
    const bytes =
      this.#expectedBytes + weight * Math.max(this.#cost.of(kind), this.#trend.risenPerStart, risen);
    const isProven = isKnown && !room.isCritical && room.fits(PROVEN * bytes, isKnown);
    if (!alone && this.#weight + weight > this.#window.size && !isProven) return false;
    return alone ? isKnown && room.fits(bytes, isKnown) : room.fits(bytes, isKnown);
  }

  #start(entry: Entry, nowMs: number): void {
    entry.state = 'running';
    entry.startMs = nowMs;
    entry.startBytes = this.#room?.usedBytes ?? 0;
    entry.peakBytes = entry.startBytes;
    entry.startCount = this.#started++;
    entry.besideCount = this.#counted;
    entry.unknownCount = this.#unknown;
    entry.knownBytes = this.#knownBytes;
    const costBytes = entry.weight * this.#cost.of(entry.request.kind);
    if (this.#cost.isKnown(entry.request.kind)) this.#knownBytes += costBytes;
    else this.#unknown++;
    this.#running.add(entry);
    this.#count(entry);
    this.#expectedBytes += costBytes;
  }

  #end(entry: Entry, nowMs: number): void {
    this.#running.delete(entry);
    if (entry.lasting) this.#lasting--;
    this.#count(entry);
    this.#throughput.ended(entry.request.kind, nowMs - entry.startMs, entry.lastingMs);
    this.#show(entry, nowMs);
    const room = this.#room;
    if (!room || entry.startBytes === 0) return;
    const grownBytes = Math.max(0, Math.max(entry.peakBytes, room.usedBytes) - entry.startBytes);
    if (room.isCritical) this.#shortenRest(room, grownBytes);
    this.#cost.learn(entry, { grownBytes, started: this.#started - entry.startCount });
  }

  /** Above the critical ratio one has ended that raised use by so much: the next comes sooner, unless they move use one by one, or together. */
  #shortenRest({ usedBytes, limitBytes }: MemoryRoom, grown: number): void {
    const most = Math.max(NOISE_BYTES, RISES_SHARE * limitBytes);
    const moved = Math.max(grown, usedBytes - this.#restsAtBytes) > most;
    this.#restsAtBytes = moved ? usedBytes : Math.min(this.#restsAtBytes, usedBytes);
    this.#restsMs = moved ? RESTS_MS.most : Math.max(RESTS_MS.least, this.#restsMs / 2);
  }

  /** @returns how many hold what they do at least */
  #showAll(nowMs: number): number {
    this.#rise.follow(
      this.#running,
      { usedBytes: this.#room?.usedBytes ?? 0, knownBytes: this.#knownBytes, unknown: this.#unknown },
      {
        rises: Math.max(0, 1 - this.#trend.restsForMs(nowMs) / RESTS_MS.most),
        isKnown: (kind) => this.#cost.isKnown(kind),
      },
    );
    let [expected, holding] = [0, 0];
    for (const entry of this.#running) {
      entry.peakBytes = Math.max(entry.peakBytes, this.#room?.usedBytes ?? 0);
      if (!entry.lasting && nowMs - entry.startMs >= entry.lastingMs) {
        entry.lasting = true;
        this.#lasting++;
        this.#count(entry);
      }
      if (nowMs - entry.startMs >= SHOWN_MS.least) holding++;
      const { kind } = entry.request;
      const takesMs = Math.max(SHOWN_MS.least, this.#throughput.longerMs(kind));
      const left = entry.lasting ? 0 : Math.max(0, 1 - (nowMs - entry.startMs) / takesMs);
      const more = entry.counts ? this.#rise.each(this.#cost.isKnown(kind)) : 0;
      expected += entry.weight * Math.max(left * this.#cost.of(kind), more);
      if (nowMs - entry.startMs >= Math.min(SHOWN_MS.most, takesMs)) this.#show(entry, nowMs);
    }
    this.#expectedBytes = expected;
    // long answers end rarely: where usage is flat with them, more may come
    const shownMs = Math.min(SHOWN_MS.most, Math.max(SHOWN_MS.least, this.#throughput.durationMs));
    if (this.#queue.count > 0 && nowMs - this.#grewMs >= shownMs && !this.#rises) this.#grow(nowMs);
    return holding;
  }

  /** It has shown what it holds. */
  #show(entry: Entry, nowMs: number): void {
    if (entry.shown) return;
    entry.shown = true;
    if (this.#queue.count > 0 && !this.#room?.isNear) this.#grow(nowMs);
  }

  #grow(nowMs: number): void {
    this.#grewMs = nowMs;
    this.#window.grow(nowMs);
  }

  #refuseWaiting(entry: Entry): void {
    this.#queue.remove(entry);
    this.#refuse(entry);
    entry.request.refuse(entry.retryAfterSeconds);
  }

  #refuse(entry: Entry): void {
    const seconds = this.#drainingSeconds ?? Math.ceil(this.#estimatedMs / 1000);
    entry.state = 'refused';
    entry.retryAfterSeconds = Math.min(LONGEST_RETRY_SECONDS, Math.max(1, seconds));
    this.#refused++;
    this.#rejoin(entry);
  }

  /** What it was part of counts again once nothing of it is left here. */
  #rejoin(entry: Entry): void {
    const { within } = entry;
    entry.within = undefined;
    if (!within) return;
    within.parts--;
    this.#count(within);
  }

  /** Counts it, or no longer. */
  #count(entry: Entry): void {
    const counts = entry.state === 'running' && entry.parts === 0 && !entry.lasting;
    if (counts === entry.counts) return;
    entry.counts = counts;
    this.#counted += counts ? 1 : -1;
    this.#weight += counts ? entry.weight : -entry.weight;
  }

  /** Nobody waits before it. */
  #isNext({ depth }: Entry): boolean {
    const { head } = this.#queue;
    return head === undefined || head.depth < depth;
  }

  /** All that may be in flight would fit: what makes memory rise is not how many they are. */
  get #allFits(): boolean {
    return this.#room?.fits(this.#window.size * this.#cost.ofAny, false) ?? true;
  }

  /** Above the critical ratio, with next to nothing in flight that could end. */
  get #stands(): boolean {
    return this.#room?.isCritical === true && this.#counted <= 1;
  }

  get #rises(): boolean {
    return this.#trend.risenBytes > RISES_SHARE * (this.#room?.limitBytes ?? Number.POSITIVE_INFINITY);
  }

  /** As those tell that have ended. */
  get #estimatedMs(): number {
    return this.#throughput.waitMs(this.#queue.count + 1, this.#running.size - this.#lasting);
  }
}
