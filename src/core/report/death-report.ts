import type { ExitFacts, ProcessShare } from '../model/process.ts';
import { containerRatio } from '../model/reading.ts';
import type { Status } from '../model/status.ts';
import type { HistoryReading, RenderedHistory } from './history.ts';
import { judgeDeath, type PostMortem } from './post-mortem.ts';

/** A dying process returns its memory before it is gone: how it stood is the highest reading of this time. */
const DYING_MS = 2000;

/** All that the report of a death is made of. */
export interface ReportParts {
  id: string;
  /** Wall-clock milliseconds at which the death was seen. */
  wallMs: number;
  exit: ExitFacts;
  /** Kills that the kernel counted for this death; `null` where it does not tell. */
  oomKillsDelta: number | null;
  /** Kills since the guardian started. */
  oomKills: number;
  heapLimitBytes: number | null;
  status: Status;
  history: RenderedHistory;
  processes: ProcessShare[];
  guardianVersion: string;
}

/** Puts the report of a death together, with the verdict on how it came. */
export function composeReport(parts: ReportParts): PostMortem {
  const { id, wallMs, exit, oomKillsDelta, oomKills, heapLimitBytes, status, history, processes } = parts;
  const last = highest(history.readings, wallMs - DYING_MS) ?? status;
  const { anonBytes, usedBytes, limitBytes } = last;
  const runtime = status.agent?.runtime ?? 'other';
  return {
    id,
    at: new Date(wallMs).toISOString(),
    ...judgeDeath({
      ...exit,
      oomKillsDelta,
      ratio: shareOf(last),
      anonBytes: anonBytes ?? usedBytes, // a sum of RSS does not tell them apart
      limitBytes,
      runtime,
      heapLimitBytes: status.heapLimitBytes ?? heapLimitBytes,
      heapUsedBytes: status.heapUsedBytes,
    }),
    ...exit,
    oomKills,
    agent: status.agent,
    status,
    ...history,
    processes,
    guardianVersion: parts.guardianVersion,
  };
}

function highest(readings: readonly HistoryReading[], sinceWallMs: number): HistoryReading | undefined {
  let found: HistoryReading | undefined;
  for (let i = readings.length - 1; i >= 0; i--) {
    const reading = readings[i];
    if (reading === undefined || Date.parse(reading.at) < sinceWallMs) break;
    if (found === undefined || (shareOf(reading) ?? 0) > (shareOf(found) ?? 0)) found = reading;
  }
  return found;
}

/** Of the container's limit: the level may have followed the heap's own, of which the kernel knows nothing. */
function shareOf(use: Pick<Status, 'usedBytes' | 'reclaimableBytes' | 'limitBytes'>): number | null {
  const { usedBytes, reclaimableBytes, limitBytes } = use;
  return usedBytes === null || limitBytes === null
    ? null
    : containerRatio({ usedBytes, reclaimableBytes: reclaimableBytes ?? 0, limitBytes });
}
