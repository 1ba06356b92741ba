import { type ErrorCode, messageOf, SpillwayError } from '../../core/lib/errors.ts';
import type { AdviceCode } from '../../core/model/notice.ts';
import { isRuntimeError } from '../../core/ports/runtime-client.ts';
import type { ProbeCode } from '../../runtimes/probe.ts';
import type { NotFoundCode } from '../../sources/find-agent.ts';
import type { NoCluster } from '../../sources/kubernetes-pod.ts';
import type { SharedHost } from '../../sources/shared-host.ts';

/** The closed set of what a check comes to. */
export type CheckCode =
  | ErrorCode // what was thrown while it was tried
  | ProbeCode
  | NotFoundCode
  | AdviceCode
  | 'ok'
  | 'switched_off'
  | 'needs_linux'
  | 'ended' // the agent, meanwhile
  // agent
  | 'sees_node' // hostPID: every process of the node
  // memory
  | 'no_memory_limit'
  | 'node_limit' // the node's alone
  | 'rss_only' // its cgroup is not visible
  | 'not_counted' // OOM kills
  | 'no_proc'
  | 'not_enforced' // the limit
  // post-mortems
  | 'in_memory'
  | 'not_writable'
  // admin endpoint
  | 'other_guardian'
  | 'other_process'
  // runtime
  | 'inspect_only'
  | 'sigusr1_disabled'
  | 'port_taken'
  | 'reachable_for_others' // an open inspector
  | SharedHost['code'] // … to whom
  // recycle
  | 'sigterm_not_permitted'
  | 'not_restarted'
  | 'no_restart_policy'
  | 'has_siblings' // its parent process has other children
  | 'no_sigterm_handler'
  | 'asked_later' // for a handler
  | 'cannot_be_asked'
  // process access
  | 'privileged'
  | 'lacks_capabilities'
  | 'unreadable_process' // by its own doing
  | 'security_module'
  | 'other_profile' // of the security module
  // Kubernetes
  | NoCluster['code']
  | 'token_rejected'
  | 'event_refused'
  | 'pod_unknown' // in part
  | 'no_answer' // in time
  | 'unreachable' // the API server
  // readiness probe
  | 'guardian_silent'
  | 'too_early'
  | 'mesh' // a proxy may reject the probe
  | 'never_probed'
  | 'crash_loop_back_off' // restart delay
  // the guardian's own limits
  | 'oom_killed'
  | 'too_small'
  | 'tight'
  | 'throttled';

/** One thing the guardian can do here, or cannot. */
export interface Check {
  check: string;
  /** `partly`: a worse source stands in, or it will only show when it is needed. */
  status: 'pass' | 'warn' | 'fail';
  code: CheckCode;
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

export const pass = (detail: string, code: CheckCode = 'ok'): Outcome => {
  return { status: 'pass', code, detail, hint: '' };
};
export const warn = (code: CheckCode, detail: string, hint: string): Outcome => {
  return { status: 'warn', code, detail, hint };
};
export const fail = (code: CheckCode, detail: string, hint: string): Outcome => {
  return { status: 'fail', code, detail, hint };
};

/** What is missing of a pod, with what is lost and the lines that give it. */
export const inPod = (ability: Outcome, why: string, yaml: string): Outcome =>
  ability.status === 'pass' ? ability : { ...ability, why, yaml };

/** What was thrown, as a check that is missing. */
export function refused(thrown: unknown): Outcome {
  const detail = messageOf(thrown);
  const { code } = SpillwayError.from(thrown);
  if (!isRuntimeError(thrown)) return fail(code, detail, hintOf(thrown));
  // a start, a program that is late: nothing has to be changed for that
  if (thrown.retryable && thrown.hint === undefined)
    return warn(code, detail, 'run doctor again in a moment');
  return fail(code, detail, thrown.hint ?? 'none: readiness and admission still work');
}

/** What an error says to do; for most of them it is another user's process that may not be seen. */
export function hintOf(error: unknown): string {
  return (error instanceof SpillwayError && error.hint) || 'run as the same uid and gid as the agent';
}
