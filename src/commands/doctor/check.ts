import { messageOf, SpillwayError } from '../../core/lib/errors.ts';
import { isRuntimeError } from '../../core/ports/runtime-client.ts';

/** One thing the guardian can do here, or cannot. */
export interface Check {
  check: string;
  /** `partly`: a worse source stands in, or it will only show when it is needed. */
  status: 'pass' | 'warn' | 'fail';
  detail: string;
  /** What to change to get it; empty when nothing is missing. */
  hint: string;
  /** In a pod: what is lost without it. */
  why?: string;
  /** In a pod: the lines of its manifest, or the manifest of its own, that give it. */
  yaml?: string;
}

/** What is known of a check, or of what several have in common. */
export type Outcome = Omit<Check, 'check'>;

export const pass = (detail: string): Outcome => ({ status: 'pass', detail, hint: '' });
export const warn = (detail: string, hint: string): Outcome => ({ status: 'warn', detail, hint });
export const fail = (detail: string, hint: string): Outcome => ({ status: 'fail', detail, hint });

/** What is missing of a pod, with what is lost and the lines that give it. */
export const inPod = (ability: Outcome, why: string, yaml: string): Outcome =>
  ability.status === 'pass' ? ability : { ...ability, why, yaml };

/** What was thrown, as a check that is missing. */
export function refused(thrown: unknown): Outcome {
  const detail = messageOf(thrown);
  if (!isRuntimeError(thrown)) return fail(detail, hintOf(thrown));
  // a start, a program that is late: nothing has to be changed for that
  if (thrown.retryable && thrown.hint === undefined) return warn(detail, 'run doctor again in a moment');
  return fail(detail, thrown.hint ?? 'none: readiness and admission still work');
}

/** What an error says to do; for most of them it is another user's process that may not be seen. */
export function hintOf(error: unknown): string {
  return (error instanceof SpillwayError && error.hint) || 'run as the same uid and gid as the agent';
}
