import { confirmHeap, isMostlyLive, type LastCollection, UNCROSSED } from '../core/gc/heap-confirm.ts';
import {
  askedHeap,
  followHeapBound,
  type HeapBoundInput,
  type HeapSample,
  heapAdvice,
  isNear,
  UNBOUND,
} from '../core/gc/near-heap-limit.ts';
import type { SpillwayError } from '../core/lib/errors.ts';
import type { HeapFacts } from '../core/model/heap.ts';
import type { HookState } from '../core/model/hook-messages.ts';
import type { Advised } from '../core/model/notice.ts';
import { type HeapUse, type Reading, unreclaimableBytes } from '../core/model/reading.ts';
import type { Situation } from '../core/ports/ports.ts';
import type { SessionContext } from './session-context.ts';
import type { SessionDeps } from './session-deps.ts';

/** What the heap was is no longer what it is, when the agent has not answered for so long. */
const STALE_MS = 10_000;
/** Two looks less far apart tell nothing of how the heap grows: what V8 promotes comes in steps, one for each scavenge … */
export const LOOKS_APART_MS = 250;
/** … so that it is sampled over this time. */
const RISE_MS = 2000;
/** What was just told is for the next reading to be judged by. */
const FRESH_MS = 1000;
/** To measure the heap from outside takes 1 to 5 ms: so often at most where it is empty, and the more often the fuller it is. */
const MEASURE_MS = { most: 2000, least: 200 };
/** Of what a hook tells, the least of so long a time counts: V8 collects that often near its limit, and what it leaves is in use. */
const TOLD_MS = 2000;
const NEVER: LastCollection = { atMs: Number.NEGATIVE_INFINITY, leftBytes: null };
const UNMEASURED = { nextMs: Number.NEGATIVE_INFINITY, far: false };
/** Anonymous memory that fell by so much of the heap's limit invalidates what is known of the heap. */
const FELL_SHARE = 0.1;

/** Watches the heap against its own limit: what of it counts, how often it is to be asked for, what to set otherwise. */
export class HeapMonitor {
  #use: HeapUse | null = null;
  #advice: Advised[] = [];

  readonly #context: SessionContext;
  readonly #deps: SessionDeps;
  #confirmation = UNCROSSED;
  #collected = NEVER;
  #limitBytes: number | null = null;
  #look: HeapSample | null = null;
  /** The looks of the last two seconds. */
  #looks: Pick<HeapUse, 'atMs' | 'usedBytes'>[] = [];
  /** What the hook has told in the last two seconds. */
  #told: { atMs: number; heap: HookState['heap'] }[] = [];
  #bound = UNBOUND;
  /** The bound says that the heap may be near its limit. */
  #due = false;
  #measured = UNMEASURED;
  #reported = false;
  #unconfirmed = false;
  /** A question failed since its last answer. */
  #unanswered = false;
  /** What the advice is about; it is worked out anew only when that changes. */
  #advised = { bytes: 0, limitBytes: 0 };

  constructor(present: SessionContext, deps: SessionDeps) {
    this.#context = present;
    this.#deps = deps;
  }

  get advice(): Advised[] {
    return this.#advice;
  }

  /** What counts against the limit; `null` while that is not known. */
  get use(): HeapUse | null {
    return this.#use;
  }

  /** Advises, at each round of the loop. */
  attend({ limitBytes, limitSource }: Reading): void {
    const { heapLimitSet, heapLimitBytes } = this.#context.agent;
    // of a number that was set the advice is about that number; V8 makes somewhat more of it
    const bytes = heapLimitSet ? heapLimitBytes : (this.#limitBytes ?? heapLimitBytes);
    if (bytes === null || limitSource === 'machine') return;
    if (bytes === this.#advised.bytes && limitBytes === this.#advised.limitBytes) return;
    this.#advised = { bytes, limitBytes };
    const advice = heapAdvice({
      heapLimitBytes: bytes,
      containerLimitBytes: limitBytes,
      explicit: heapLimitSet,
    });
    this.#advice = advice ? [advice] : [];
    if (!advice || this.#reported) return;
    this.#reported = true;
    this.#deps.report({
      reason: 'HeapLimitTooHigh',
      note: `${advice.message}; ${advice.hint}`,
    });
  }

  /** The least of what the hook has told in the last two seconds; `null` where none tells. */
  get leastBytes(): number | null {
    return this.#told.length > 0 ? Math.min(...this.#told.map(({ heap }) => heap.usedBytes)) : null;
  }

  /** The last full collection; a hook tells of V8's own near its limit. */
  get lastCollection(): LastCollection {
    return this.#collected;
  }

  /** Whether the agent is to be asked, whatever the level: by what can be seen from outside, its heap may be near the limit. */
  get due(): boolean {
    return this.#due;
  }

  /** By what it told last it is near its limit. */
  get near(): boolean {
    return this.#use !== null && this.#use.usedBytes >= this.#deps.options.warnRatio * this.#use.limitBytes;
  }

  /** So near that it is no garbage alone: V8 collects on its own, at the latest half way from what is live to the limit. */
  get full(): boolean {
    return this.#use !== null && isMostlyLive(this.#use, this.#deps.options.warnRatio);
  }

  /** More of the heap is in use than its level says: whether that is live, a collection tells. */
  get unconfirmed(): boolean {
    return this.#use !== null && this.#unconfirmed;
  }

  /** Follows the most that the heap can be, at each round of the loop. */
  follow({ nowMs, reading, outlook: { growthBytesPerSecond } }: Situation): void {
    if (this.#unanswered && nowMs - (this.#use?.atMs ?? nowMs) >= STALE_MS) this.#drop();
    if (this.#hear(nowMs)) return;
    const heapLimitBytes = this.#limitBytes ?? this.#context.agent.heapLimitBytes;
    if (heapLimitBytes === null) return;
    const { options: thresholds } = this.#deps;
    const anonBytes = reading.anonBytes ?? unreclaimableBytes(reading);
    // what was freed since the look was of Buffers, or of the heap: from here on the look says nothing of what grows
    const fell = this.#look !== null && this.#look.anonBytes - anonBytes > FELL_SHARE * heapLimitBytes;
    if (fell && !(this.#use && nowMs - this.#use.atMs < FRESH_MS)) {
      this.#look = null;
      this.#drop();
    }
    const input = { nowMs, anonBytes, heapLimitBytes, look: this.#look, growthBytesPerSecond, thresholds };
    const { state, ask } = followHeapBound(this.#bound, input);
    this.#bound = state;
    this.#due = ask && !this.#farFromOutside(input);
  }

  /** Takes in what the agent's hook says of its heap, without a question; `false` where it says nothing: it does so with each request. */
  #hear(nowMs: number): boolean {
    const heap = this.#deps.hooks.of(this.#context.agent.worker.pid)?.state?.heap;
    if (!heap) return false;
    const last = this.#told.at(-1);
    if (last?.heap === heap) return nowMs - last.atMs < FRESH_MS && !this.#due;
    this.#due = false;
    this.#told = this.#told.filter(({ atMs }) => nowMs - atMs <= TOLD_MS);
    this.#told.push({ atMs: nowMs, heap });
    const leftMs = nowMs - (heap.left?.agoMs ?? 0);
    if (heap.left && leftMs > this.#collected.atMs)
      this.#collected = { atMs: leftMs, leftBytes: heap.left.bytes };
    const limitedBytes = this.leastBytes ?? 0;
    const isOld = nowMs - (this.#told[0]?.atMs ?? nowMs) >= TOLD_MS / 2;
    const nearBytes = this.#deps.options.warnRatio * heap.limitBytes;
    // it holds less by now than it told
    if (heap.usedBytes < nearBytes) this.#drop();
    else if (isOld && limitedBytes >= nearBytes) this.see({ limitedBytes, limitBytes: heap.limitBytes });
    return true;
  }

  /** What an agent holds in Buffers is none of its heap: where its mappings show that, it need not be asked. */
  #farFromOutside(input: HeapBoundInput): boolean {
    const { nowMs, anonBytes, heapLimitBytes } = input;
    if (nowMs < this.#measured.nextMs) return this.#measured.far;
    const usedBytes = this.#deps.heapFromOutside(this.#context.agent.worker.pid);
    const far = usedBytes !== null && !isNear(usedBytes, input);
    const left = 1 - (usedBytes ?? 0) / heapLimitBytes;
    this.#measured = { nextMs: nowMs + Math.max(MEASURE_MS.least, left * MEASURE_MS.most), far };
    if (usedBytes !== null) this.#look = { usedBytes, anonBytes };
    // it holds less by now than it told
    if (usedBytes !== null && usedBytes < this.#deps.options.warnRatio * heapLimitBytes) this.#drop();
    return far;
  }

  /** The agent was asked because of that; what it told has been taken in, if it told something. */
  asked(): void {
    const heapLimitBytes = this.#limitBytes ?? this.#context.agent.heapLimitBytes;
    if (heapLimitBytes === null) return;
    const { clock, options: thresholds } = this.#deps;
    const { reading } = this.#context.situation;
    const anonBytes = reading.anonBytes ?? unreclaimableBytes(reading);
    const input = { nowMs: clock.now(), anonBytes, heapLimitBytes, thresholds };
    this.#bound = askedHeap(this.#bound, input, this.#look?.usedBytes ?? null);
    this.#due = false;
  }

  /** Takes in what the runtime said of its heap. */
  see({ limitBytes, limitedBytes: usedBytes }: Pick<HeapFacts, 'limitBytes' | 'limitedBytes'>): void {
    this.#unanswered = false;
    if (limitBytes === null) return;
    this.#limitBytes = limitBytes;
    const { reading } = this.#context.situation;
    this.#look = { usedBytes, anonBytes: reading.anonBytes ?? unreclaimableBytes(reading) };
    const { clock, options } = this.#deps;
    const use = {
      atMs: clock.now(),
      usedBytes,
      limitBytes,
      riseBytesPerSecond: this.#riseTo(clock.now(), usedBytes),
    };
    const { state, heap, confirmed } = confirmHeap(
      this.#confirmation,
      use,
      this.#collected,
      options.shedRatio,
    );
    this.#confirmation = state;
    this.#unconfirmed = !confirmed;
    this.#use = heap;
  }

  #riseTo(atMs: number, usedBytes: number): number | null {
    this.#looks = this.#looks.filter((look) => atMs - look.atMs <= RISE_MS);
    this.#looks.push({ atMs, usedBytes });
    const from = this.#looks[0] ?? { atMs, usedBytes };
    if (atMs - from.atMs < LOOKS_APART_MS) return null;
    return (usedBytes - from.usedBytes) / ((atMs - from.atMs) / 1000);
  }

  /** Nobody asks now: the last sample counts for as long as it says that the limit is near, and can still be so. */
  rest(nowMs: number, reading: Reading): void {
    const use = this.#use;
    if (!use || nowMs - use.atMs < FRESH_MS) return;
    const anonBytes = reading.anonBytes ?? unreclaimableBytes(reading);
    const fell = (this.#look?.anonBytes ?? anonBytes) - anonBytes > FELL_SHARE * use.limitBytes;
    if (fell || use.usedBytes < this.#deps.options.warnRatio * use.limitBytes) this.#drop();
  }

  /** Nobody asks any more, or another process is asked. */
  reset(): void {
    this.#drop();
    this.#look = null;
    this.#looks = [];
    this.#told = [];
    this.#collected = NEVER;
    this.#limitBytes = null;
    this.#bound = UNBOUND;
    this.#measured = UNMEASURED;
  }

  /** The last sample counts no more: of the next look, too, a collection has to say what is live. */
  #drop(): void {
    this.#use = null;
    this.#confirmation = UNCROSSED;
  }

  /** A collection ended: what it left is live. */
  collected(atMs: number, after: HeapFacts | null): void {
    this.#collected = { atMs, leftBytes: after?.limitedBytes ?? null };
  }

  /** The runtime did not answer. One that is late is busy, perhaps with its own collections: what it said last stands. */
  unanswered({ code }: SpillwayError): void {
    this.#unanswered = true;
    if (code !== 'timeout') this.#drop();
  }
}
