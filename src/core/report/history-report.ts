import type { GcRecord } from '../model/gc-record.ts';
import type { Thresholds } from '../pressure/level.ts';
import type { RenderedHistory } from './history.ts';
import type { PostMortem } from './post-mortem.ts';

/** Collections told with the history. */
export const COLLECTIONS = 10;

/** The body of `/v1/history`: what was read, and what it takes to draw and explain it. */
export interface HistoryReport extends RenderedHistory {
  /** When levels are entered and left; ratios 0…1. */
  thresholds: Pick<Thresholds, 'warnRatio' | 'shedRatio' | 'criticalRatio' | 'recoverMargin'>;
  /** The last {@link COLLECTIONS}, newest first. */
  collections: readonly GcRecord[];
  /** The last reports of deaths without their readings, newest first; whole at `/v1/post-mortems/ID`. */
  deaths: Death[];
  guardian: { version: string };
}

/** One post-mortem in short. */
export type Death = Pick<PostMortem, 'id' | 'at' | 'cause' | 'reason'>;

/** What a report of the history is made of. */
export interface HistoryParts {
  history: RenderedHistory;
  thresholds: Thresholds;
  collections: readonly GcRecord[];
  postMortems: readonly PostMortem[];
  version: string;
}

/** Puts the body of `/v1/history` together. */
export function historyReport({
  history,
  thresholds,
  collections,
  postMortems,
  version,
}: HistoryParts): HistoryReport {
  const { warnRatio, shedRatio, criticalRatio, recoverMargin } = thresholds;
  return {
    ...history,
    thresholds: { warnRatio, shedRatio, criticalRatio, recoverMargin },
    collections,
    deaths: postMortems.map(({ id, at, cause, reason }) => ({ id, at, cause, reason })),
    guardian: { version },
  };
}

/** The collections after one more, newest first. */
export function withCollection(collections: readonly GcRecord[], record: GcRecord): readonly GcRecord[] {
  return [record, ...collections].slice(0, COLLECTIONS);
}
