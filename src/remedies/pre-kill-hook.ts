import { request } from 'node:http';
import { messageOf } from '../core/lib/errors.ts';
import { formatSeconds } from '../core/lib/units.ts';
import type { Finding } from '../core/model/events.ts';
import type { RemedyStatus } from '../core/model/remedy.ts';
import type { Clock, Remedy, Situation } from '../core/ports/ports.ts';
import { isForeseen } from '../core/pressure/access.ts';
import { atLeast } from '../core/pressure/level.ts';

/** For connection and answer together: a hook that hangs holds nothing up, and after the kill nobody needs its answer. */
const TIMEOUT_MS = 2000;

export interface PreKillHookDeps {
  /** Loopback; `undefined` switches it off. */
  url: string | undefined;
  clock: Pick<Clock, 'wallMs' | 'setTimer'>;
  /** As the status stands. */
  status(): object;
}

/**
 * Tells a program in the pod that the kill is foreseen, so that it saves what must not be lost: one POST of status, forecast
 * and deadline in each episode, which ends with the level.
 */
export function createPreKillHook({ url, clock, status }: PreKillHookDeps): Remedy {
  let found: Finding[] = [];
  let called: { code: 'answered' | 'failed'; result: string } | undefined;
  let running: AbortController | undefined;
  let ended = false;

  const call = async (to: string, secondsToLimit: number) => {
    const deadline = new Date(clock.wallMs() + secondsToLimit * 1000).toISOString();
    const abort = new AbortController();
    running = abort;
    const late = () => abort.abort(new Error(`no answer within ${formatSeconds(TIMEOUT_MS / 1000)}`));
    const timer = clock.setTimer(late, TIMEOUT_MS);
    try {
      const body = JSON.stringify({ status: status(), secondsToLimit, deadline });
      called = { code: 'answered', result: await post(to, body, abort.signal) };
    } catch (error) {
      called = { code: 'failed', result: `failed: ${reasonOf(error)}` };
    }
    timer.cancel();
    running = undefined;
    if (ended) return;
    const note = `The kill is foreseen in about ${formatSeconds(secondsToLimit)}: the pre-kill hook ${called.result}.`;
    found.push({ reason: 'PreKillHookCalled', note });
  };

  return {
    attend({ level, outlook: { secondsToLimit } }: Situation) {
      if (url === undefined || ended) return;
      if (!atLeast(level, 'warning')) called = undefined;
      if (called !== undefined || running || !atLeast(level, 'shedding')) return;
      if (secondsToLimit !== null && isForeseen(secondsToLimit)) void call(url, secondsToLimit);
    },
    findings: () => found.splice(0),
    draining: () => null,
    status(): RemedyStatus<'not_set' | 'calling' | 'answered' | 'failed' | 'none_foreseen'> {
      const name = 'pre-kill-hook';
      if (url === undefined) return { name, state: 'off', code: 'not_set', why: 'pre-kill-hook is not set' };
      if (running) return { name, state: 'acting', code: 'calling', why: 'the hook is being called' };
      return called
        ? { name, state: 'idle', code: called.code, why: `the hook ${called.result}` }
        : { name, state: 'idle', code: 'none_foreseen', why: 'no kill is foreseen' };
    },
    async end() {
      ended = true;
      found = [];
      running?.abort(new Error('the guardian is shutting down'));
    },
  };
}

/** An aborted request has its reason as the cause. */
function reasonOf(error: unknown): string {
  return messageOf(error instanceof Error && error.cause instanceof Error ? error.cause : error);
}

/** @returns the answer's status, in words */
function post(url: string, body: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
    const sent = request(url, { method: 'POST', headers, signal, agent: false }, (answer) => {
      answer.destroy(); // its body may be endless, and says nothing more
      resolve(`answered ${answer.statusCode}`);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}
