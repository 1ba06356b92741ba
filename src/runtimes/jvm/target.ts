import { readdirSync, readFileSync } from 'node:fs';
import { errnoOf, SpillwayError } from '../../core/lib/errors.ts';
import { goneError } from '../../core/ports/runtime-client.ts';
import { hasEnded, parseCmdline, parseStat } from '../../core/proc/proc-text.ts';

/** A HotSpot JVM as seen from outside. */
export interface JvmTarget {
  procRoot: string;
  pid: number;
  /** Clock ticks since boot; with the pid, it names the process for good. */
  startTime: number;
  /** Its pid as it sees itself. */
  innerPid: number;
  uid: number;
  gid: number;
}

/** The client: the guardian's effective ids. */
export interface Ids {
  uid: number;
  gid: number;
}

/** Bit of SIGQUIT (3) in the masks of `/proc/PID/status`. */
const SIGQUIT_BIT = 1n << 2n;
/** Clock ticks per second of `/proc/PID/stat`, the same on every architecture that runs Node (`USER_HZ`). */
const TICKS_PER_SECOND = 100;
/** The thread that handles SIGQUIT, in the 15 bytes the kernel keeps of a name. JDK 8 names no threads: there, age has to tell. */
const SIGNAL_DISPATCHER = 'Signal Dispatch';
/** At this age a JVM is past its start, and who has not loaded one will not. */
const OLD_ENOUGH_S = 10;
const SAME_USER =
  'run the guardian with the uid and gid of the agent (securityContext.runAsUser and runAsGroup)';

/**
 * Checks whether a process is a JVM that can be attached to.
 * @throws SpillwayError `refused`, saying why not
 */
export function findJvm(procRoot: string, pid: number, startTime: number | undefined, self: Ids): JvmTarget {
  const status = text(`${procRoot}/${pid}/status`);
  const ids = (key: string) => new RegExp(`^${key}:\\t(.*)$`, 'm').exec(status)?.[1]?.split('\t').map(Number);
  const uid = ids('Uid')?.[1];
  const gid = ids('Gid')?.[1];
  const innerPid = ids('NSpid')?.at(-1) ?? pid;
  const started = startTimeOf(procRoot, pid);
  if (started === null || uid === undefined || gid === undefined) throw goneError(pid);
  if (startTime !== undefined && started !== startTime) throw goneError(pid);
  // the JVM itself answers only its own user and root
  if (self.uid !== 0 && (self.uid !== uid || self.gid !== gid))
    throw new SpillwayError(
      'refused',
      `the JVM runs as ${uid}:${gid} and accepts only that user, not ${self.uid}:${self.gid}`,
      { hint: SAME_USER },
    );
  const libraries = text(`${procRoot}/${pid}/maps`);
  if (libraries === '') throw goneError(pid); // it has returned its memory and only waits for its threads or parent
  if (!/\/libjvm\.so(?: \(deleted\))?$/m.test(libraries) || /\/libj9vm/.test(libraries))
    throw new SpillwayError('refused', `process ${pid} has no HotSpot JVM loaded`, {
      retryable: ageS(procRoot, started) < OLD_ENOUGH_S, // its launcher may be about to load one
    });
  return { procRoot, pid, startTime: started, innerPid, uid, gid };
}

/**
 * Makes sure that SIGQUIT now means "attach" to this very process. Nothing asynchronous may come between this and the signal.
 * @throws SpillwayError `refused`
 */
export function checkSignal(target: JvmTarget): void {
  const { procRoot, pid } = target;
  const stat = parseStat(text(`${procRoot}/${pid}/stat`), `${procRoot}/${pid}/stat`);
  if (stat.startTime !== target.startTime || hasEnded(stat)) throw goneError(pid);
  if (/^[Tt]$/.test(stat.state))
    throw new SpillwayError('refused', 'the agent is stopped', { retryable: true });
  const caught = /^SigCgt:\t([0-9a-f]+)$/m.exec(text(`${procRoot}/${pid}/status`))?.[1] ?? '0';
  const switches = switchesOf(target);
  if (/-Xrs\b|-XX:\+ReduceSignalUsage\b/.test(switches))
    throw new SpillwayError('refused', 'the JVM runs with -Xrs: SIGQUIT would end it', {
      hint: 'remove -Xrs',
    });
  if (switches.includes('-XX:+DisableAttachMechanism'))
    throw new SpillwayError('refused', 'the JVM runs with -XX:+DisableAttachMechanism', {
      hint: 'remove -XX:+DisableAttachMechanism',
    });
  if ((BigInt(`0x${caught}`) & SIGQUIT_BIT) === 0n)
    throw new SpillwayError('refused', 'the JVM does not catch SIGQUIT: it is starting, or runs with -Xrs', {
      hint: 'remove -Xrs',
      retryable: true,
    });
  if (!pastItsStart(target)) throw new SpillwayError('refused', 'the JVM is starting', { retryable: true });
}

/**
 * Everything that may carry switches: the command line and the variables that the JVM and its launcher read. Argument files
 * (`@file`, `-XX:Flags=`) stay unseen: a JVM with its attach switched off there prints its threads once.
 */
function switchesOf({ procRoot, pid }: JvmTarget): string {
  const variables = /^(?:JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|_JAVA_OPTIONS)=/;
  return [
    ...parseCmdline(text(`${procRoot}/${pid}/cmdline`)),
    ...parseCmdline(text(`${procRoot}/${pid}/environ`)).filter((entry) => variables.test(entry)),
  ].join(' ');
}

function pastItsStart({ procRoot, pid, startTime }: JvmTarget): boolean {
  const tasks = `${procRoot}/${pid}/task`;
  if (readdirSync(tasks).some((tid) => readable(`${tasks}/${tid}/comm`)?.trimEnd() === SIGNAL_DISPATCHER))
    return true;
  return ageS(procRoot, startTime) >= OLD_ENOUGH_S;
}

function ageS(procRoot: string, startTime: number): number {
  return Number(text(`${procRoot}/uptime`).split(' ')[0]) - startTime / TICKS_PER_SECOND;
}

function startTimeOf(procRoot: string, pid: number): number | null {
  const file = `${procRoot}/${pid}/stat`;
  const read = readable(file);
  if (!read) return null;
  const stat = parseStat(read, file);
  return hasEnded(stat) ? null : stat.startTime;
}

/** Whether it is still the process that was looked at. */
export function isSame({ procRoot, pid, startTime }: JvmTarget): boolean {
  return startTimeOf(procRoot, pid) === startTime;
}

function readable(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // ended meanwhile
  }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const errno = errnoOf(error);
    const denied = errno === 'EACCES' || errno === 'EPERM';
    throw new SpillwayError('refused', `${file} cannot be read: ${errno ?? String(error)}`, {
      cause: error,
      ...(denied ? { hint: SAME_USER } : {}),
    });
  }
}
