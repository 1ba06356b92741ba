import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { errnoOf, messageOf, SpillwayError } from '../core/lib/errors.ts';
import type { PrivateCgroup } from './private-cgroup.ts';
import { listProcesses, readProcess } from './processes.ts';

/** Where signals to the guardian come from; `process` is one. */
export interface SignalSource {
  on(name: NodeJS.Signals, listener: () => void): unknown;
  off(name: NodeJS.Signals, listener: () => void): unknown;
}

/** How the command ended. `status` is what the guardian exits with: the code, or 128 + the signal's number. */
export interface ChildExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  status: number;
}

export interface ChildOptions {
  command: string;
  args: string[];
  /** Its whole environment, with the run's variable already in it. */
  env: NodeJS.ProcessEnv;
  signals: SignalSource;
  /** The command starts inside this group: what it allocates is charged there from its first instruction on. */
  cgroup?: Pick<PrivateCgroup, 'spawnInside'>;
  /** Something to log that stops nobody: a signal that could not be forwarded, a guardian that could not leave the group. */
  onProblem?: (message: string) => void;
}

export interface Child {
  readonly pid: number;
  /** How it has ended; `undefined` while it runs. */
  readonly exit: ChildExit | undefined;
  /** Resolves after `exit` is there. */
  readonly exited: Promise<ChildExit>;
}

/**
 * Forwarded signals. SIGUSR1 is also here for its own sake: without a handler Node answers it by opening the guardian's
 * inspector. Left out on purpose: SIGTSTP, SIGTTIN and SIGTTOU, which must stop the guardian together with the command, or
 * the shell would go on waiting after Ctrl-Z; and what a process only ever does to itself (SIGSEGV, SIGABRT, SIGPIPE …).
 */
export const PASSED_SIGNALS = [
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
  'SIGCONT',
] as const satisfies NodeJS.Signals[];

/** What a terminal sends by itself to its whole foreground process group, so to the command as well. */
const FROM_TERMINAL = new Set<NodeJS.Signals>(['SIGINT', 'SIGQUIT', 'SIGWINCH']);

/**
 * Starts the command with the guardian's own standard streams, terminal and process group, so that pipes, Ctrl-Z and the
 * size of the terminal work as without a guardian. Signals to the guardian go to the command; the guardian waits for its
 * end, however long that takes.
 *
 * Ctrl-C reaches guardian and command alike when both are in the terminal's foreground group; it is not forwarded then, or
 * the command would see it twice (to many programs the second one means "at once"). The kernel does not tell Node who sent
 * a signal, so `kill -INT` to a guardian in a terminal's foreground counts as Ctrl-C too: SIGTERM is always forwarded.
 * @throws SpillwayError `command` when it cannot be started ({@link startFailureStatus}); `unavailable` when the guardian
 *   cannot enter the group
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { signals, onProblem = () => {} } = options;
  const early: NodeJS.Signals[] = [];
  let pass = (name: NodeJS.Signals): void => void early.push(name);
  const listeners = PASSED_SIGNALS.map((name) => [name, () => pass(name)] as const);
  const release = () => {
    for (const [name, listener] of listeners) signals.off(name, listener);
  };
  for (const [name, listener] of listeners) signals.on(name, listener);

  try {
    const child = spawnChild(options, onProblem);
    let exit: ChildExit | undefined;
    const exited = new Promise<ChildExit>((resolve) => {
      child.once('exit', (code, signal) => {
        release();
        exit = { code, signal, status: signal ? 128 + constants.signals[signal] : (code ?? 1) };
        resolve(exit);
      });
    });
    const pid = await started(child);
    child.on('error', (error) =>
      onProblem(`cannot forward a signal to ${options.command} (pid ${pid}): ${error.message}`),
    );
    pass = (name) => {
      if (!(FROM_TERMINAL.has(name) && terminalSendsTo(pid))) child.kill(name);
    };
    for (const name of early) pass(name);
    return {
      pid,
      get exit() {
        return exit;
      },
      exited,
    };
  } catch (thrown) {
    release();
    if (thrown instanceof SpillwayError) throw thrown;
    throw startFailure(options.command, thrown);
  }
}

/** The shell's status for a command that was not started: 127 not found, 126 found and not executable. */
export function startFailureStatus(error: unknown): 126 | 127 {
  return errnoOf(error instanceof Error ? error.cause : undefined) === 'ENOENT' ? 127 : 126;
}

function spawnChild(
  { command, args, env, cgroup }: ChildOptions,
  onProblem: (message: string) => void,
): ChildProcess {
  const start = () => spawn(command, args, { env, stdio: 'inherit' });
  if (!cgroup) return start();
  const { value, problem } = cgroup.spawnInside(start);
  if (problem) onProblem(problem);
  return value;
}

function started(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => {
      child.off('error', reject);
      if (child.pid === undefined) reject(new Error('started without a pid'));
      else resolve(child.pid);
    });
  });
}

function startFailure(command: string, cause: unknown): SpillwayError {
  const isPath = command.includes('/');
  if (errnoOf(cause) === 'ENOENT' && !(isPath && existsSync(command)))
    return new SpillwayError('command', `command not found: ${command}`, {
      hint: isPath
        ? 'check the path; it is relative to the working directory'
        : 'check its spelling and PATH, or give its full path',
      cause,
    });
  if (errnoOf(cause) === 'ENOENT')
    return new SpillwayError('command', `cannot start ${command}: the interpreter it names does not exist`, {
      hint: 'check its first line (#!), or for a binary that its loader is installed',
      cause,
    });
  return new SpillwayError('command', `cannot start ${command}: ${messageOf(cause)}`, {
    hint:
      errnoOf(cause) === 'EACCES'
        ? `make it an executable file: chmod +x ${command}`
        : 'run it without Spillway for details',
    cause,
  });
}

/** Whether guardian and command are both in the foreground group of their terminal right now. */
function terminalSendsTo(childPid: number): boolean {
  const read = readProcess('self') ? readProcess : (pid: number) => listProcesses().get(pid);
  const [guardian, child] = [read(process.pid), read(childPid)];
  return (
    guardian?.group === guardian?.foregroundGroup &&
    child?.group === guardian?.group &&
    guardian !== undefined
  );
}
