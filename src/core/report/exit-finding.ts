import type { Finding } from '../model/events.ts';
import type { Level } from '../model/status.ts';
import { atLeast } from '../pressure/level.ts';
import type { PostMortem } from './post-mortem.ts';

/**
 * The event of an agent's end. An end without a known cause and without pressure before it is normal, as is exit code 0: a
 * Job's container ends so.
 * @param caused the guardian's own action has to do with it
 */
export function exitFinding({ reason, cause, exitCode }: PostMortem, level: Level, caused: boolean): Finding {
  const normal = !caused && (exitCode === 0 || (cause === 'unknown' && !atLeast(level, 'warning')));
  return {
    reason: cause === 'oom-killed' ? 'AgentOOMKilled' : 'AgentExited',
    type: normal ? 'Normal' : 'Warning',
    note: reason,
  };
}
