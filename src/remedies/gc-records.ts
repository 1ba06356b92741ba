import { gcFailure } from '../core/gc/verdict.ts';
import { describeStanding, type GcStanding } from '../core/gc/words.ts';
import type { SpillwayError } from '../core/lib/errors.ts';
import type { GcRecord, GcVerdict } from '../core/model/gc-record.ts';
import type { RemedyStatus } from '../core/model/remedy.ts';
import type { SessionDeps } from './session-deps.ts';

/** The same outcome is reported again this much later: the status and the metrics have every run. */
const TELL_AGAIN_MS = 60_000;

const NOTHING_FREED = {
  freedBytes: 0,
  freedCgroupBytes: 0,
  freedRssBytes: null,
  freedHeapBytes: null,
  stallMs: 0,
};

/** Of collections, for the status. */
export function gcStatus(
  state: RemedyStatus['state'],
  standing: GcStanding,
): RemedyStatus<GcStanding['code']> {
  return { name: 'gc', state, code: standing.code, why: describeStanding(standing) };
}

/** What came of collections, and of attempts at one, in one life of the agent. */
export class GcRecords {
  readonly #deps: Pick<SessionDeps, 'clock' | 'collected' | 'report'>;
  readonly #toldMs = new Map<GcVerdict, number>();
  #last: GcRecord | undefined;

  constructor(deps: Pick<SessionDeps, 'clock' | 'collected' | 'report'>) {
    this.#deps = deps;
  }

  get last(): GcRecord | undefined {
    return this.#last;
  }

  /** @param known it was reported already */
  add(record: GcRecord, known = false): GcRecord {
    const { clock, collected, report } = this.#deps;
    this.#last = record;
    collected(record);
    const nowMs = clock.now();
    const toldMs = this.#toldMs.get(record.verdict) ?? Number.NEGATIVE_INFINITY;
    if (known || nowMs - toldMs < TELL_AGAIN_MS) return record;
    this.#toldMs.set(record.verdict, nowMs);
    const note = record.hint ? `${record.note}; ${record.hint}.` : `${record.note}.`;
    report({ reason: 'GarbageCollected', note });
    return record;
  }

  /** The runtime was not reached. */
  failed(refusal: SpillwayError, trigger: string, known: boolean): void {
    const at = new Date(this.#deps.clock.wallMs()).toISOString();
    this.add({ at, ...gcFailure(refusal), way: null, trigger, ...NOTHING_FREED }, known);
  }
}
