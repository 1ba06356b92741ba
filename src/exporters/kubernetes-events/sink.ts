import { messageOf, SpillwayError } from '../../core/lib/errors.ts';
import { type EventReason, factsOf, type GuardianEvent } from '../../core/model/events.ts';
import type { Advised } from '../../core/model/notice.ts';
import type { Sink } from '../../core/ports/sink.ts';
import { cutNote } from '../../core/report/event-note.ts';
import {
  type ApiAnswer,
  type EventsApi,
  type KubernetesEvent,
  kubernetesEvent,
  type PodIdentity,
} from '../../core/report/kubernetes-event.ts';
import { failureOf, isTaken, lacksRight, rightsAdvice } from './verdict.ts';

/**
 * The same reason again within this time is the same series: as long as client-go keeps one open. For as long, patching is
 * not tried when it was denied.
 */
const SERIES_MS = 6 * 60_000;
/** A note that the API server refuses may be too long for it: this much is tried once. */
const SHORT_NOTE_BYTES = 256;
/** An API server that is back gets events soon; client-go asks again every 10 s. */
const MAX_WAIT_MS = 15_000;

/**
 * What an event leaves of the rate limit: the end of an agent nothing, recovery and what has waited long enough room for
 * that, a warning room for recovery, and what is merely good to know most.
 */
const RESERVE = { death: 0, recovery: 2, warning: 5, normal: 15 };
/** Time in which the rate limit allows one more; without it, an agent that flaps for hours would mute its newest warning. */
const LONG_MS = 5 * 60_000;

export interface KubernetesEventsOptions {
  pod: PodIdentity;
  /** Opens the way to the API server; called when the first event is to be sent, and again while that fails. */
  open(): Promise<EventsApi>;
  /** The rate limit: takes one, unless less than `reserve` is left; 0, or how long to wait in milliseconds. */
  take(reserve: number): number;
  /** Says what does not stop an event. Must not throw. */
  onProblem(message: string): void;
}

/** Events on the pod, and what is missing for them. */
export interface KubernetesEventsSink extends Sink {
  /** Rights that are missing, with the manifests that give them; empty when nothing is missing or it is not known yet. */
  advice(): Advised[];
}

/** Posts each event as an Event of `events.k8s.io/v1` on the pod; repeats within 6 minutes count up the one before. */
export function createKubernetesEvents(options: KubernetesEventsOptions): KubernetesEventsSink {
  return new PodEvents(options);
}

interface Reported {
  readonly event: KubernetesEvent;
  readonly count: number;
  readonly lastMs: number;
}

class PodEvents implements KubernetesEventsSink {
  readonly name = 'kubernetes';
  readonly coalesces = true;
  readonly maxWaitMs = MAX_WAIT_MS;
  readonly #options: KubernetesEventsOptions;
  /** The open series, one for each reason. */
  readonly #reported = new Map<EventReason, Reported>();
  #api: Promise<EventsApi> | undefined;
  #advice: Advised | undefined;
  /** When patching was denied, by the events' own time; `undefined` while it is not. */
  #patchDeniedMs: number | undefined;

  constructor(options: KubernetesEventsOptions) {
    this.#options = options;
  }

  advice(): Advised[] {
    return this.#advice === undefined ? [] : [this.#advice];
  }

  permit(event: GuardianEvent): number {
    const waitedMs = Date.now() - Date.parse(event.firstAt ?? event.at);
    const holdMs = this.#options.take(reserveOf(event, waitedMs >= LONG_MS));
    return waitedMs < LONG_MS ? Math.min(holdMs, LONG_MS - waitedMs) : holdMs;
  }

  async deliver(event: GuardianEvent, signal: AbortSignal): Promise<void> {
    try {
      this.#api ??= this.#options.open();
      const api = await this.#api.catch((error: unknown) => {
        this.#api = undefined;
        throw error;
      });
      if (!(await this.#continue(api, event, signal))) await this.#create(api, event, signal);
    } catch (error) {
      const known = error instanceof SpillwayError && error.code === 'sink' ? error : undefined;
      throw new SpillwayError('sink', `Kubernetes Event ${event.reason}: ${messageOf(error)}`, {
        retryable: known?.retryable,
        retryAfterMs: known?.retryAfterMs,
        hint: known?.hint,
        cause: error,
      });
    }
  }

  /** Counts the event into the series of its reason. @returns whether there is one */
  async #continue(api: EventsApi, event: GuardianEvent, signal: AbortSignal): Promise<boolean> {
    const told = this.#reported.get(event.reason);
    const isNear = (ms: number, toMs: number) => Math.abs(ms - toMs) <= SERIES_MS;
    const [firstMs, lastMs] = [Date.parse(event.firstAt ?? event.at), Date.parse(event.at)];
    if (!told || !isNear(firstMs, told.lastMs)) return false;
    const deniedMs = this.#patchDeniedMs;
    if (deniedMs !== undefined && isNear(lastMs, deniedMs)) return false;
    const count = told.count + event.count;
    const answer = await api.patchSeries(told.event, { count, lastObservedTime: event.at }, signal);
    if (isTaken(answer)) {
      this.#reported.set(event.reason, { event: told.event, count, lastMs });
      this.#patchDeniedMs = undefined;
      this.#advice = undefined;
      return true;
    }
    if (lacksRight(answer)) {
      this.#patchDeniedMs = lastMs; // each is posted by itself then
      this.#advice = rightsAdvice(answer, this.#options.pod);
      if (deniedMs === undefined)
        this.#options.onProblem(
          `repeats are posted one by one: the API server answered 403: ${answer.message}. ${this.#advice.message}. ${this.#advice.hint}`,
        );
      return false;
    }
    const failure = failureOf(answer, this.#options.pod);
    if (failure.retryable) throw failure;
    this.#reported.delete(event.reason); // it has expired, as events do, or is refused: it is posted by itself
    return false;
  }

  async #create(api: EventsApi, event: GuardianEvent, signal: AbortSignal): Promise<void> {
    const made = kubernetesEvent(event, this.#options.pod);
    let answer = await api.create(made, signal);
    if (answer.status === 422) {
      this.#options.onProblem(`the API server refused ${event.reason} (${answer.message}); sent shortened`);
      answer = await api.create({ ...made, note: cutNote(made.note, SHORT_NOTE_BYTES) }, signal);
    }
    if (lacksRight(answer)) this.#advice = rightsAdvice(answer, this.#options.pod);
    if (!isTaken(answer) && !isThereAlready(answer)) throw failureOf(answer, this.#options.pod);
    if (this.#patchDeniedMs === undefined) this.#advice = undefined;
    if (factsOf(event.reason).importance !== 'death')
      this.#reported.set(event.reason, { event: made, count: event.count, lastMs: Date.parse(event.at) });
  }
}

function reserveOf({ reason, type }: GuardianEvent, waitedLong: boolean): number {
  const { importance } = factsOf(reason);
  if (importance === 'death' || importance === 'end') return RESERVE.death;
  if (waitedLong || importance === 'recovery') return RESERVE.recovery;
  return type === 'Warning' ? RESERVE.warning : RESERVE.normal;
}

/** An attempt whose answer got lost had come through: the name follows from the event's id. */
function isThereAlready({ status, reason }: ApiAnswer): boolean {
  return status === 409 && reason === 'AlreadyExists';
}
