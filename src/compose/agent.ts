import { randomUUID } from 'node:crypto';
import { totalmem } from 'node:os';
import { readProcessUsage } from '../adapters/pidusage.ts';
import type { Config } from '../config/options.ts';
import type { AgentProcess, Clock } from '../core/ports/ports.ts';
import { type AgentProcessOptions, watchAgent } from '../sources/agent-process.ts';

export type ProcessRef = Pick<AgentProcessOptions, 'pid' | 'restarts' | 'sameGroup'> &
  Partial<AgentProcessOptions>;

export const systemClock: Clock = {
  now: () => performance.now(),
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
