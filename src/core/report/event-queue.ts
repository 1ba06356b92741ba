import { factsOf, type GuardianEvent } from '../model/events.ts';

/** The waiting events after one more came, and how many lost their own place to it. */
export interface Enqueued {
  waiting: readonly GuardianEvent[];
  /** Now counted in a later one of their reason. */
  merged: number;
  /** Given up. */
  dropped: number;
}

export interface QueueBounds {
  /** Most events kept waiting. */
  max: number;
  /** Most bytes kept waiting, as JSON; one event is kept however large. */
  maxBytes?: number;
  /**
   * Whether an event takes the place of any waiting one of its reason, not of the last one alone: for receivers to which
   * repeats are one thing with a count. Deaths keep a place each: every post-mortem says something else.
   */
  coalesce?: boolean;
}

const isDeath = ({ reason }: GuardianEvent) => factsOf(reason).importance === 'death';

/** How much it hurts to lose an event: recovery least, a death most. */
function importance(event: GuardianEvent): number {
  if (isDeath(event)) return 2;
  return event.type === 'Warning' ? 1 : 0;
}

/** Measured once: events do not change. */
const sizes = new WeakMap<GuardianEvent, number>();
function bytesOf(event: GuardianEvent): number {
  const known = sizes.get(event) ?? JSON.stringify(event).length;
  sizes.set(event, known);
  return known;
}

/** The newer one, counting both, with the time of the first. */
function merge(earlier: GuardianEvent, later: GuardianEvent): GuardianEvent {
  return { ...later, count: earlier.count + later.count, firstAt: earlier.firstAt ?? earlier.at };
}

/**
 * Adds an event to those waiting for one sink. An event with the reason of the last one waiting takes its place and adds
 * to its count: order stays true, a flapping agent cannot fill the queue. What does not fit any more costs the least
 * important event that is repeated later its place, the oldest of those, and without repeats the least important of all;
 * that may be the new one itself.
 */
export function enqueue(
  waiting: readonly GuardianEvent[],
  event: GuardianEvent,
  bounds: QueueBounds,
): Enqueued {
  const { max, maxBytes = Number.POSITIVE_INFINITY, coalesce = false } = bounds;
  const same = waiting.findLastIndex(({ reason }) => reason === event.reason);
  const twin = waiting[same];
  const takesItsPlace = twin && (same === waiting.length - 1 || (coalesce && !isDeath(event)));
  let all = takesItsPlace ? [...waiting.toSpliced(same, 1), merge(twin, event)] : [...waiting, event];
  let merged = takesItsPlace ? 1 : 0;
  let dropped = 0;
  while (all.length > 1 && (all.length > max || total(all) > maxBytes)) {
    const repeated = all.filter((_, i) => laterTwin(all, i) !== undefined);
    const given = leastOf(repeated.length > 0 ? repeated : all);
    const later = given && laterTwin(all, all.indexOf(given));
    all = all.flatMap((each) => (each === given ? [] : given && each === later ? merge(given, each) : each));
    if (later) merged++;
    else dropped++;
  }
  return { waiting: all, merged, dropped };
}

/** The next event with the same reason. */
function laterTwin(events: readonly GuardianEvent[], index: number): GuardianEvent | undefined {
  return events.find(({ reason }, i) => i > index && reason === events[index]?.reason);
}

/** The oldest of the least important. */
function leastOf(events: readonly GuardianEvent[]): GuardianEvent | undefined {
  return events.toSorted((a, b) => importance(a) - importance(b))[0];
}

function total(events: readonly GuardianEvent[]): number {
  return events.reduce((sum, each) => sum + bytesOf(each), 0);
}
