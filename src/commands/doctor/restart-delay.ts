import { localUrl } from '../../core/lib/address.ts';
import { messageOf } from '../../core/lib/errors.ts';
import { formatSeconds } from '../../core/lib/units.ts';
import type { Status } from '../../core/model/status.ts';
import { type Outcome, pass, warn } from './check.ts';

const TIMEOUT_MS = 2_000;

/** How long the kubelet would wait before it starts the agent again, as far as the guardian that runs here has seen it end. */
export async function restartDelay(listen: { host: string; port: number }): Promise<Outcome> {
  const url = `${localUrl(listen)}/v1/status`;
  let status: Pick<Status, 'agent' | 'restartDelaySeconds'>;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    status = (await answer.json()) as Status;
  } catch (error) {
    return warn(
      'guardian_silent',
      `the guardian does not answer at ${url}: ${messageOf(error)}`,
      'check its log',
    );
  }
  const { agent, restartDelaySeconds } = status;
  if (!restartDelaySeconds) return pass('the kubelet restarts the agent at once');
  const restarts = agent?.restarts ?? 0;
  return warn(
    'crash_loop_back_off',
    `the agent was restarted ${restarts === 1 ? 'once' : `${restarts} times`} since the guardian started: the kubelet delays the next restart by up to ${formatSeconds(restartDelaySeconds)} (CrashLoopBackOff), and recycling waits where that costs more than it saves`,
    'raise the memory limit, or look up in the events why the agent ends; 10 min without a restart end the delay',
  );
}
