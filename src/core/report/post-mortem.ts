import { formatBytes } from '../lib/units.ts';
import type { ProcessShare } from '../model/process.ts';
import { RUNTIMES } from '../model/runtimes.ts';
import type { AgentInfo, DeathCause, Runtime, Status } from '../model/status.ts';
import type { RenderedHistory } from './history.ts';

/** The report of one death. Plain JSON: emitted, served and written as it is. */
export interface PostMortem extends RenderedHistory {
  /** Unique, also across restarts of the guardian. */
  id: string;
  /** ISO time at which the death was noticed. */
  at: string;
  cause: DeathCause;
  /** The cause in a sentence, with its evidence. */
  reason: string;
  exitCode: number | null;
  signal: string | null;
  /** OOM kills the kernel counted in the agent's cgroup since the guardian started. */
  oomKills: number;
  agent: AgentInfo | null;
  /** As it last stood. */
  status: Status;
  /** Of the agent, at the last look, biggest first. */
  processes: ProcessShare[];
  guardianVersion: string;
}

/** What is known about an end. `null` is "is not visible from here". */
export interface DeathFacts {
  exitCode: number | null;
  /** `SIGKILL`, `SIGTERM`, … */
  signal: string | null;
  /** By how much the kernel's OOM-kill counter of the agent's cgroup rose with the end. */
  oomKillsDelta: number | null;
  /** At the last reading: share of the limit (0…1), anonymous memory (or RSS) and the limit in bytes. */
  ratio: number | null;
  anonBytes: number | null;
  limitBytes: number | null;
  runtime: Runtime;
  /** V8's own heap limit in bytes. */
  heapLimitBytes: number | null;
  /** Heap in use as the agent told it last; `null` where it was not asked. */
  heapUsedBytes?: number | null;
}

export interface Verdict {
  cause: DeathCause;
  reason: string;
}

/**
 * Below this ratio at the last reading an OOM kill needs more explanation than "the limit was reached": readings come before even
 * the fastest growth can reach the shed ratio.
 */
const FAR_FROM_LIMIT = 0.75;
/** Anonymous memory from this share of V8's heap limit on makes that limit the likely reason of an abort. */
const NEAR_HEAP_LIMIT = 0.8;
/** A runtime that collects for its life answers no more: what it told last may be a second old, and far less. */
const TOLD_HEAP_LIMIT = 0.5;
/** At and above this ratio a SIGKILL of unknown origin is most likely the kernel's. */
const NEAR_LIMIT = 0.9;

/** Linux's numbers, for exit codes above 128. */
const SIGNALS: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  5: 'SIGTRAP',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  10: 'SIGUSR1',
  11: 'SIGSEGV',
  12: 'SIGUSR2',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
  24: 'SIGXCPU',
  25: 'SIGXFSZ',
  31: 'SIGSYS',
};

/** Says how the agent ended, from what can be seen of it. */
export function judgeDeath(facts: DeathFacts): Verdict {
  const { exitCode } = facts;
  // A shell whose command a signal ended exits with 128 + its number; so do runtimes that catch the signal.
  const relayed = exitCode !== null && exitCode > 128 ? SIGNALS[exitCode - 128] : undefined;
  const signal = facts.signal ?? relayed ?? null;
  const kills = facts.oomKillsDelta ?? 0;
  const unseen = signal === null && exitCode === null;

  if (kills > 0 && (unseen || signal === 'SIGKILL')) return { cause: 'oom-killed', reason: oomKilled(facts) };
  const also =
    kills > 0 ? `; before that the kernel's OOM killer killed ${processes(kills)} in its cgroup` : '';
  if (unseen) return { cause: 'unknown', reason: `${vanished(facts)}.` };
  if (signal === null)
    return { cause: 'exit', reason: `Exited by itself ${exitWord(exitCode ?? 0)}${also || where(facts)}.` };

  const how = facts.signal ? `by ${signal}` : `with exit code ${exitCode}, which stands for ${signal}`;
  if (signal === 'SIGABRT') return aborted(facts, how, also);
  if (signal === 'SIGKILL') return { cause: 'signal', reason: killed(facts, how) };
  return { cause: 'signal', reason: `Ended ${how}${also || where(facts)}.` };
}

/**
 * Makes a post-mortem of a report that was kept up to date while pressure lasted and found again at the next start:
 * the guardian had no time to see the end.
 */
export function judgeVanished(flight: PostMortem): PostMortem {
  const { ratio, limitBytes } = flight.status;
  const reason = `Guardian and agent ended together${at(ratio, limitBytes)}; the last reading was at ${flight.at}. Most likely the kernel killed the whole cgroup, or the container or machine stopped.`;
  return { ...flight, cause: 'unknown', reason, exitCode: null, signal: null };
}

function oomKilled(facts: DeathFacts): string {
  const { exitCode, signal, ratio, limitBytes, oomKillsDelta } = facts;
  const relayed = signal === null && exitCode !== null ? ` (seen as exit code ${exitCode})` : '';
  const others = (oomKillsDelta ?? 0) > 1 ? ` together with ${processes((oomKillsDelta ?? 0) - 1)} more` : '';
  const head = `Killed by the kernel's OOM killer${relayed}${others}`;
  if (ratio === null) return `${head}; there was no valid reading before.`;
  if (ratio >= FAR_FROM_LIMIT) return `${head}${at(ratio, limitBytes)}.`;
  return `${head}, though the last reading showed only ${percent(ratio)}${of(limitBytes)}: either usage grew faster than the readings, or memory ran out in an enclosing cgroup or on the node.`;
}

function killed(facts: DeathFacts, how: string): string {
  const { oomKillsDelta, ratio } = facts;
  if (oomKillsDelta !== null)
    return `Killed ${how} from outside; the kernel counted no OOM kill${where(facts)}.`;
  const guess = ratio !== null && ratio >= NEAR_LIMIT ? ': an OOM kill is likely' : '';
  return `Killed ${how}${where(facts)}; the kernel's OOM kill counter is not visible from here${guess}.`;
}

function aborted(facts: DeathFacts, how: string, also: string): Verdict {
  const { heapLimitBytes, anonBytes } = facts;
  if (nearHeapLimit(facts) && heapLimitBytes !== null && anonBytes !== null) {
    const reason = `V8 reached its own heap limit of about ${formatBytes(heapLimitBytes)} and aborted (${facts.heapUsedBytes ? `${formatBytes(facts.heapUsedBytes)} of heap at the last sample` : `${formatBytes(anonBytes)} of memory`}${where(facts)})${also}: raise --max-old-space-size within the container's limit, or reduce the live heap.`;
    return { cause: 'heap-limit', reason };
  }
  const hint =
    RUNTIMES[facts.runtime].abortsAtHeapLimit && heapLimitBytes === null
      ? '; V8 aborts at its own heap limit, and that limit is not visible from here'
      : '';
  return { cause: 'signal', reason: `Aborted ${how}${also || where(facts)}${hint}.` };
}

function vanished(facts: DeathFacts): string {
  const counted =
    facts.oomKillsDelta === null ? 'the OOM kill counter is not visible' : 'the kernel counted no OOM kill';
  const hint = nearHeapLimit(facts)
    ? `; V8's own heap limit of about ${formatBytes(facts.heapLimitBytes ?? 0)} was near`
    : '';
  return `Ended; its exit status is not visible from another container, and ${counted}${where(facts)}${hint}`;
}

function nearHeapLimit({ runtime, heapLimitBytes, heapUsedBytes, anonBytes }: DeathFacts): boolean {
  if (!RUNTIMES[runtime].abortsAtHeapLimit || heapLimitBytes === null) return false;
  const toldRatio = (heapUsedBytes ?? anonBytes ?? 0) / heapLimitBytes;
  const mostRatio = (anonBytes ?? 0) / heapLimitBytes; // no heap is larger than all anonymous memory
  return toldRatio >= NEAR_HEAP_LIMIT || (toldRatio >= TOLD_HEAP_LIMIT && mostRatio >= NEAR_HEAP_LIMIT);
}

function exitWord(exitCode: number): string {
  if (exitCode === 126) return 'with exit code 126 (the command could not be executed)';
  if (exitCode === 127) return 'with exit code 127 (the command was not found)';
  return `with exit code ${exitCode}`;
}

const percent = (ratio: number) => `${Math.round(ratio * 100)} %`;
const of = (limitBytes: number | null) =>
  limitBytes === null ? ' of the limit' : ` of ${formatBytes(limitBytes)}`;
const at = (ratio: number | null, limitBytes: number | null) =>
  ratio === null ? '' : ` at ${percent(ratio)}${of(limitBytes)}`;
const where = ({ ratio, limitBytes }: DeathFacts) =>
  ratio === null ? '' : `; the last reading was ${percent(ratio)}${of(limitBytes)}`;
const processes = (count: number) => (count === 1 ? 'a process' : `${count} processes`);
