import { type Constraint, constraintRatio } from '../model/constraint.ts';
import type { GcRecord } from '../model/gc-record.ts';
import type { GrowthReport } from '../model/growth-report.ts';
import type { Advised } from '../model/notice.ts';
import type { TreeSample } from '../model/process.ts';
import { constraintsOf, limitedBy, type Reading, ratioOf } from '../model/reading.ts';
import type { RemedyStatus } from '../model/remedy.ts';
import type { Requests } from '../model/requests.ts';
import type { ConstraintStatus, Status } from '../model/status.ts';
import type { AgentProcess } from '../ports/ports.ts';
import type { Judge } from '../pressure/judge.ts';
import type { PostMortem } from './post-mortem.ts';

/** All that the status object is made of. */
export interface StatusParts {
  judge: Judge;
  reading: Reading | undefined;
  tree: TreeSample | undefined;
  agent: AgentProcess | undefined;
  /** ISO time at which the level was entered. */
  since: string;
  oomKills: number;
  lastDeath: PostMortem | undefined;
  lastGc: GcRecord | undefined;
  growth: GrowthReport | undefined;
  /** What is known of the runtime and is worth a change, with its hint. */
  advice: Advised[];
  remedies: RemedyStatus[];
  restartDelaySeconds: number | null;
  requests: Requests | null;
}

/** Puts the status object together. While blind, what was last read is not passed off as what is. */
export function composeStatus({
  judge,
  reading: last,
  tree,
  agent,
  since,
  oomKills,
  lastDeath,
  lastGc,
  growth,
  advice,
  remedies,
  restartDelaySeconds,
  requests,
}: StatusParts): Status {
  const reading = judge.blind ? undefined : last;
  return {
    level: judge.level,
    ready: judge.ready,
    blind: judge.blind,
    reason: judge.recycling ?? (reading ? judge.describe(reading) : (judge.blindReason ?? 'no reading yet')),
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
    limitedBy: reading ? limitedBy(reading) : 'container',
    constraints: reading ? constraintsOf(reading).map((each) => listed(each, judge)) : [],
    remedies,
    requests,
    heapUsedBytes: reading?.heap?.usedBytes ?? null,
    heapLimitBytes: reading?.heap?.limitBytes ?? null,
    recycling: judge.recycling !== undefined,
    restartDelaySeconds,
    degraded: agent?.degraded() ?? [],
    advice,
    agent: agent?.info ?? null,
    oomKills,
    lastGc: lastGc ?? null,
    growth: growth ?? null,
    lastDeath: lastDeath ? shortOf(lastDeath) : null,
  };
}

function listed({ name, used, limit, unit, source }: Constraint, judge: Judge): ConstraintStatus {
  const ratio = constraintRatio({ used, limit });
  return { name, used, limit, ratio, unit, source, ...judge.forecastOf(name) };
}

function shortOf({ id, at, cause, reason }: PostMortem): Status['lastDeath'] {
  return { id, at, cause, reason };
}
