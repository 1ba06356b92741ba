import { messageOf, SpillwayError } from '../../core/lib/errors.ts';
import { ReachError } from '../../core/ports/runtime-client.ts';

/** One thing the guardian can do here, or cannot. */
export interface Power {
  power: string;
  /** `partly`: a worse source stands in, or it will only show when it is needed. */
  has: 'yes' | 'partly' | 'no';
  detail: string;
  /** What to change to get it; empty when nothing is missing. */
  mend: string;
  /** In a pod: what is lost without it. */
  why?: string;
  /** In a pod: the lines of its manifest, or the manifest of its own, that give it. */
  yaml?: string;
}

/** What is known of a power, or of what several have in common. */
export type Ability = Omit<Power, 'power'>;

export const yes = (detail: string): Ability => ({ has: 'yes', detail, mend: '' });
export const partly = (detail: string, mend: string): Ability => ({ has: 'partly', detail, mend });
export const no = (detail: string, mend: string): Ability => ({ has: 'no', detail, mend });

/** What is missing of a pod, with what is lost and the lines that give it. */
export const inPod = (ability: Ability, why: string, yaml: string): Ability =>
  ability.has === 'yes' ? ability : { ...ability, why, yaml };

/** What was thrown, as a power that is missing. */
export function refused(thrown: unknown): Ability {
  const detail = messageOf(thrown);
  if (!(thrown instanceof ReachError)) return no(detail, mendOf(thrown));
  // a start, a program that is late: nothing has to be changed for that
  if (thrown.passing && thrown.mend === undefined) return partly(detail, 'ask again in a moment');
  return no(detail, thrown.mend ?? 'none: readiness and admission are what is left');
}

/** What an error says to do; for most of them it is another user's process that may not be seen. */
export function mendOf(error: unknown): string {
  return (error instanceof SpillwayError && error.mend) || 'run as the same uid and gid as the agent';
}
