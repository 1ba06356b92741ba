import { accessSync, constants, readFileSync } from 'node:fs';

const SHELL = '/bin/sh';
const NAME = 'spillway-init';

/**
 * Process 1 of a container in POSIX sh: starts its arguments as a child, passes signals on, collects whatever ends (a shell
 * that waits for one child collects them all) and exits with the child's status. `wait` also returns for a signal. A shell
 * gives what runs in the background an empty input, so the input is kept at another number first.
 */
const INIT_SCRIPT = `
exec 9<&0
"$@" <&9 9<&- &
child=$!
exec 9<&-
for name in HUP INT QUIT TERM USR1 USR2 WINCH CONT TSTP; do trap "kill -s $name $child" "$name"; done
while wait "$child"; status=$?; [ "$status" -gt 128 ] && kill -0 "$child" 2>/dev/null; do :; done
exit "$status"
`;

type Execve = (file: string, args: readonly string[], env: NodeJS.ProcessEnv) => never;

/**
 * As process 1 the guardian becomes the parent of all that outlives its own parent, and Node collects only children that it
 * started: each background tool of the command would stay a zombie until the container has no pid left. So a shell takes
 * its place, and this program starts again as the shell's child.
 * @param argv this program's own
 * @returns only where it stays as it is: why that is a problem, in words; `undefined` where it is none
 */
export function leaveProcessOne(argv: readonly string[]): string | undefined {
  if (process.pid !== 1) return undefined;
  const { execve } = process as NodeJS.Process & { execve?: Execve }; // from Node 22.15 on
  if (execve && runs(SHELL)) {
    process.removeAllListeners('warning'); // it is said to be experimental
    const again = [process.execPath, ...process.execArgv, ...argv.slice(1)];
    execve(SHELL, ['sh', '-c', INIT_SCRIPT, NAME, ...again], process.env);
  }
  const lacks = execve ? SHELL : 'Node 22.15 or newer';
  return `as process 1 without ${lacks} it cannot reap orphaned processes: start the container with an init (docker run --init, or tini as its entry point)`;
}

/** Whether process 1 is that shell: it belongs to this program, and does nothing by itself. */
export function isBelowInit(): boolean {
  try {
    return process.ppid === 1 && readFileSync('/proc/1/cmdline', 'utf8').split('\0').includes(NAME);
  } catch {
    return false;
  }
}

/** To be replaced by what may not be run would end this process, and the container with it. */
function runs(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
