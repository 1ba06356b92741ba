import type { Judge } from './judge.ts';
import type { AgentLife, TreeSample } from './ports.ts';
import type { PostMortem } from './post-mortem.ts';
import { type Reading, ratioOf } from './reading.ts';
import type { Status } from './status.ts';

/** All that the status object is made of. */
export interface StatusParts {
  judge: Judge;
  reading: Reading | undefined;
  tree: TreeSample | undefined;
  life: AgentLife | undefined;
  /** ISO time at which the level was entered. */
  since: string;
  oomKills: number;
  lastDeath: PostMortem | undefined;
}

/** Puts the status object together. While blind, what was last read is not passed off as what is. */
export function composeStatus({
  judge,
  reading: last,
  tree,
  life,
  since,
  oomKills,
  lastDeath,
}: StatusParts): Status {
  const reading = judge.blind ? undefined : last;
  return {
    level: judge.level,
    ready: judge.ready,
    blind: judge.blind,
    reason: reading ? judge.describe(reading) : (judge.blindReason ?? 'no reading yet'),
    since,
    ratio: reading ? ratioOf(reading) : null,
    usedBytes: reading?.usedBytes ?? null,
    limitBytes: reading?.limitBytes ?? null,
    reclaimableBytes: reading?.reclaimableBytes ?? null,
    anonBytes: reading?.anonBytes ?? null,
    shmemBytes: reading?.shmemBytes ?? null,
    kernelBytes: reading?.kernelBytes ?? null,
    rssBytes: tree?.rssBytes ?? null,
    cpuCores: tree?.cpuCores ?? null,
    processes: tree?.count ?? 0,
    ...judge.outlook,
    leakSuspected: judge.leakSuspected,
    limitSource: reading?.limitSource ?? null,
    usageSource: reading?.usageSource ?? null,
    limitedBy: 'container',
    degraded: life?.degraded() ?? [],
    agent: life?.info ?? null,
    oomKills,
    lastGc: null,
    lastDeath: lastDeath ? { at: lastDeath.at, cause: lastDeath.cause, reason: lastDeath.reason } : null,
  };
}
