import { setTimeout as sleep } from 'node:timers/promises';
import { type Backoff, waitAfter } from '../../core/lib/backoff.ts';
import { errnoOf, SpillwayError } from '../../core/lib/errors.ts';
import { goneError } from '../../core/ports/runtime-client.ts';
import type { InspectorEndpoint, InspectorTarget } from '../../sources/inspector/target.ts';
import type { NodeSignals, NodeTimeouts } from './signals.ts';

export interface ActivateInspectorOptions {
  target: InspectorTarget;
  signals: NodeSignals;
  timeouts: NodeTimeouts;
  /** The inspector has appeared after the time to wait for it was over. */
  late(found: InspectorEndpoint): Promise<void>;
}

/** SIGUSR1 opens the inspector of a Node process; to one that does something else with it, it is sent once. */
export interface InspectorActivation {
  /**
   * Sends the signal, waits for the inspector while `wanted`.
   * @throws SpillwayError
   */
  ask(wanted: () => boolean): Promise<InspectorEndpoint>;
  /** Whether an inspector that is open now is the answer to a signal; asked once it was found. */
  answered(found: InspectorEndpoint): boolean;
  /** Whether the signal has opened this one: one that was only too busy to answer before it is the user's, and stays open. */
  opened(found: InspectorEndpoint): boolean;
}

/** Between two looks for what was asked for, and where it is late. */
const LOOK_MS: Backoff = { first: 20, longest: Number.POSITIVE_INFINITY };
const LATE_MS: Backoff = { first: 20, longest: 2000 };
/** An agent that is blocked (`execSync`) opens only afterwards: it is looked for so long. */
const LATE_LIMIT_MS = 600_000;

export function createInspectorActivation(options: ActivateInspectorOptions): InspectorActivation {
  const { target, signals, timeouts } = options;
  /** When it was sent without an answer yet. */
  let unanswered: number | undefined;
  /** What listened before the signal. */
  let before: ReadonlySet<number> = new Set();
  const mayAsk = () => {
    const refusal = signals.refusal();
    if (refusal) throw refusal;
  };
  const opened = ({ inode }: InspectorEndpoint) => !before.has(inode);

  const watch = (looks: number) => {
    setTimeout(
      () => {
        if (unanswered === undefined || !target.alive() || performance.now() > unanswered + LATE_LIMIT_MS)
          return;
        const again = () => watch(looks + 1);
        target
          .find(timeouts.askMs, true)
          .then(async (found) => {
            if (!found) return again();
            if (unanswered === undefined) return; // found by a call meanwhile
            unanswered = undefined;
            signals.answered();
            await options.late(found);
          })
          .catch(again);
      },
      waitAfter(LATE_MS, looks),
    ).unref();
  };

  return {
    async ask(wanted) {
      mayAsk();
      if (unanswered !== undefined)
        throw new SpillwayError('refused', `process ${target.pid} opened no inspector after SIGUSR1`, {
          hint: 'start the agent with --inspect if it has a handler of its own for SIGUSR1',
        });
      const listening = await target.listening();
      before = new Set(listening.map(({ inode }) => inode));
      // the table of a busy node takes its time: all may be calm again
      mayAsk();
      if (!wanted())
        throw new SpillwayError('refused', `the inspector of process ${target.pid} is no longer needed`, {
          retryable: true,
        });
      // these two lines belong together: nothing may come between the look and the signal
      const obstacle = target.signalObstacle(listening);
      if (obstacle) throw obstacle;
      send(target.pid);
      signals.sent();
      unanswered = performance.now();
      for (let looks = 1; wanted(); looks++) {
        const left = unanswered + timeouts.openMs - performance.now();
        if (left <= 0) break;
        await sleep(Math.min(waitAfter(LOOK_MS, looks), left));
        const found = await target.find(timeouts.askMs, true);
        if (!found) continue;
        unanswered = undefined;
        signals.answered();
        return found;
      }
      watch(1);
      throw new SpillwayError(
        'refused',
        `process ${target.pid} opened no inspector within ${timeouts.openMs} ms of SIGUSR1`,
      );
    },
    answered(found) {
      const was = unanswered !== undefined && performance.now() < unanswered + LATE_LIMIT_MS;
      if (was) signals.answered();
      unanswered = undefined;
      return was && opened(found);
    },
    opened,
  };
}

function send(pid: number): void {
  try {
    process.kill(pid, 'SIGUSR1');
  } catch (cause) {
    if (errnoOf(cause) !== 'EPERM') throw goneError(pid, cause);
    const hint = 'run the guardian with the uid of the agent';
    throw new SpillwayError('refused', `SIGUSR1 to ${pid} is not permitted`, { hint, cause });
  }
}
