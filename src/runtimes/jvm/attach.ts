import { closeSync, fchownSync, lstatSync, openSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, SpillwayError } from '../../core/lib/errors.ts';
import { goneError } from '../../core/ports/runtime-client.ts';
import { openTmp, socketExists } from './files.ts';
import { checkSignal, isSame, type JvmTarget } from './target.ts';

/** How often the socket is looked for. */
const POLL_MS = 10;

/** No tool takes longer to attach (the JDK's own limit): a file that is older was left behind. */
const STALE_MS = 10_000;

/**
 * Makes a JVM open its socket: a file `.attach_pidN` in its `/tmp`, by which it tells SIGQUIT "attach" from SIGQUIT "print all
 * threads", and one SIGQUIT. The file is removed in any case. The other place where the JVM looks for it, its working
 * directory, stays untouched: without a `/tmp` it could not make the socket either.
 * @returns when the socket is there
 * @throws SpillwayError
 */
export async function startListener(
  target: JvmTarget,
  timeoutMs: number,
  onSignal: () => void,
): Promise<void> {
  const folder = openTmp(target);
  const trigger = folder.path(`.attach_pid${target.innerPid}`);
  let ours = false;
  try {
    ours = makeTrigger(trigger, target);
    checkSignal(target);
    onSignal();
    sendQuit(target.pid);
    for (const end = performance.now() + timeoutMs; !socketExists(target); await sleep(POLL_MS)) {
      if (!isSame(target)) throw goneError(target.pid);
      if (performance.now() > end)
        throw new SpillwayError('timeout', `the JVM did not open its socket within ${timeoutMs} ms`, {
          retryable: true,
        });
    }
  } finally {
    if (ours) rmSync(trigger, { force: true });
    folder.close();
  }
}

/**
 * The file must belong to the JVM's user or to root, or the JVM takes SIGQUIT for "print all threads".
 * @returns whether it is ours to remove
 */
function makeTrigger(trigger: string, { uid, gid }: JvmTarget): boolean {
  try {
    const fd = openSync(trigger, 'wx', 0o600);
    try {
      // JDK 8 takes nothing but its own user's; only root may give a file away, and anybody else has that user
      if (process.geteuid?.() === 0) fchownSync(fd, uid, gid);
    } catch {
      // root without CAP_CHOWN: from JDK 11 on root's file will do
    } finally {
      closeSync(fd);
    }
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    const found = errno === 'EEXIST' ? lstatSync(trigger, { throwIfNoEntry: false }) : undefined;
    // another tool attaches right now, or died doing it
    if (found?.uid === uid || found?.uid === 0) return Date.now() - found.mtimeMs > STALE_MS;
    throw new SpillwayError('refused', `the agent's /tmp is not writable: ${errno ?? String(error)}`, {
      cause: error,
      hint: 'the agent needs a writable /tmp (an emptyDir where its root is read-only)',
    });
  }
}

function sendQuit(pid: number): void {
  try {
    process.kill(pid, 'SIGQUIT');
  } catch (error) {
    throw new SpillwayError('refused', `SIGQUIT to ${pid}: ${errnoOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
