import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { messageOf } from '../core/lib/errors.ts';
import type { PrivateCgroup } from './private-cgroup.ts';
import { RUN_VARIABLE, readProcess } from './processes.ts';
import { REAPER_SCRIPT } from './reaper-script.ts';

export interface ReaperOptions {
  /** Value of `SPILLWAY_RUN` in the command's environment; a fresh UUID for each run. */
  runId: string;
  cgroup?: Pick<PrivateCgroup, 'directory' | 'stepped'>;
  /** Time between SIGTERM and SIGKILL, whole seconds, in ms. Default 5,000. */
  graceMs?: number;
  /** Default `/bin/sh`. */
  shell?: string;
  /** Called when it ends too early: nobody cleans up after the guardian then. */
  onLost?: (why: string) => void;
}

/** A watcher outside the guardian that outlives it. */
export interface Reaper {
  readonly pid: number;
  /** Tells which process the command is; again after each restart. Before, it is known by its environment alone. */
  watch(childPid: number): void;
  /** The orderly end: it goes without touching anything. */
  done(): Promise<void>;
}

/**
 * Starts the watcher: a shell of its own session, unmoved by the terminal and by signals to end, that reads a pipe held by the
 * guardian. When that breaks before `done` was said, the guardian was killed: the watcher then ends every process of the run
 * and removes the private cgroup. It costs one idle `sh` (dash: 1.7 MB RSS, of which 0.1 MB is its own and the rest the shared
 * text of libc) and keeps neither the guardian's event loop, nor the command's streams, terminal or working directory in use.
 * @returns the reason in words when it cannot be started (an image without a shell); the run goes on without
 */
export async function startReaper(options: ReaperOptions): Promise<Reaper | string> {
  const { runId, cgroup, graceMs = 5000, shell = '/bin/sh', onLost = () => {} } = options;
  try {
    const watcher = spawn(shell, ['-c', REAPER_SCRIPT, 'spillway-reaper'], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
      // nothing of the guardian's: an outer run's mark would make the outer reaper end this one; grep and sleep have to be
      // found whatever PATH the command is given
      env: { PATH: [process.env.PATH, '/usr/local/bin:/usr/bin:/bin'].filter(Boolean).join(':') },
    });
    const { stdin } = watcher;
    stdin.on('error', () => {}); // EPIPE: it is gone, and `exit` tells
    await once(watcher, 'spawn');
    const pid = watcher.pid ?? 0;
    let ended = false;
    let expected = false;
    const gone = new Promise<void>((resolve) => {
      watcher.once('exit', (code, signal) => {
        ended = true;
        if (!expected) onLost(`the reaper (pid ${pid}) ended: ${signal ?? `status ${code}`}`);
        resolve();
      });
    });
    watcher.unref();
    if ('unref' in stdin && typeof stdin.unref === 'function') stdin.unref();

    const say = (word: string, value: string | number) => stdin.write(`${word} ${value}\n`);
    say('mark', `${RUN_VARIABLE}=${runId}`); // by the pipe, not as an argument: it would be found by its own mark
    say('grace', Math.max(1, Math.ceil(graceMs / 1000)));
    if (cgroup) say('group', cgroup.directory);
    if (cgroup?.stepped) {
      say('leaf', cgroup.stepped.leaf);
      say('from', cgroup.stepped.from);
    }
    return {
      pid,
      watch: (childPid) => say('child', `${childPid}:${readProcess(childPid)?.startTicks ?? 0}`),
      async done() {
        expected = true;
        if (ended) return;
        watcher.ref();
        stdin.end('done\n');
        await gone;
      },
    };
  } catch (thrown) {
    return `no reaper (${shell}: ${messageOf(thrown)}): a killed guardian leaves the processes of the command running`;
  }
}
