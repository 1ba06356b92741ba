import { subscribe } from 'node:diagnostics_channel';
import { HOOK_DIR_ENV } from '../../core/model/hook-files.ts';
import { later, quietly, quietlyAsync } from './quiet.ts';
import type { Accepted } from './servers.ts';
import { share } from './shared.ts';

/** When a process checks that it is the agent: one that serves nobody learns it only so. From the start, in milliseconds. */
const LOOK_AT_MS = [250, 1000, 4000, 16_000];

/**
 * Waits for a sign that this process is the agent, or one of its servers, and connects to the guardian then. Until then it costs a
 * subscription and four looks at a file: the rest is compiled when it is needed.
 * @param ownDirectory where the hook's file lies
 */
export function startHook(ownDirectory: string): void {
  if (isWorkerThread()) return;
  const tell = share();
  if (!tell) return;
  const directory = process.env[HOOK_DIR_ENV] || ownDirectory;
  let awake = false;
  const wake = (first?: Accepted) => {
    if (awake) return;
    awake = true;
    quietlyAsync(async () => (await import('./awake.ts')).connect(directory, first, tell));
  };
  // the first connection that a server accepts: what is subscribed to at once sees its first request, too
  subscribe('net.server.socket', (message) => {
    if (!awake) quietly(() => wake((message as { socket: Accepted }).socket));
  });
  const look = (at: number) => {
    const ms = LOOK_AT_MS[at];
    if (ms === undefined || awake) return;
    later(ms - (LOOK_AT_MS[at - 1] ?? 0), () =>
      quietlyAsync(async () => {
        if ((await import('./place.ts')).isListed(directory)) wake();
        look(at + 1);
      }),
    );
  };
  look(0);
}

/** Their module would cost 50 times what the rest of the hook does: Node marks what a worker may not call. */
function isWorkerThread(): boolean {
  return (process.chdir as { disabled?: boolean }).disabled === true;
}
