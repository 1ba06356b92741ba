import { randomUUID } from 'node:crypto';
import { totalmem } from 'node:os';
import { readProcessUsage } from '../adapters/pidusage.ts';
import type { Config } from '../config/options.ts';
import type { AgentProcess, Clock } from '../core/ports/ports.ts';
import { type AgentProcessOptions, watchAgent } from '../sources/agent-process.ts';

export type ProcessRef = Pick<AgentProcessOptions, 'pid' | 'restarts' | 'sameGroup'> &
  Partial<AgentProcessOptions>;

/** The machine's monotonic clock, the same in all processes, less this process' own. */
const MACHINE_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  now: () => MACHINE_MS + performance.now(),
  wallMs: () => Date.now(),
  setTimer(fn, ms) {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  newId: randomUUID,
};

/** Follows a process with the sources of this machine. */
export function follow(config: Pick<Config, 'limit' | 'downwardLimit'>, process_: ProcessRef): AgentProcess {
  return watchAgent({
    procRoot: '/proc',
    platform: process.platform,
    machineBytes: totalmem(),
    limitBytes: config.limit,
    downwardLimitBytes: config.downwardLimit,
    privateGroup: false,
    readUsage: readProcessUsage,
    ...process_,
  });
}
