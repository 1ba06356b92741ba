import type { Mapping } from './python-maps.ts';

/** What is seen of one Python process from outside, through `/proc`. Nothing here touches the process. */
export interface PythonFacts {
  /** (22) of `/proc/PID/stat`; `null` when it has ended. */
  startTime(): number | null;
  maps(): Mapping[];
  /**
   * Address of `_PyRuntime`; `null` when the program has none, as before CPython 3.12.
   * @throws SpillwayError `refused`
   */
  runtimeAddress(maps: readonly Mapping[]): number | null;
  /** Effective user and group, and the pid by which the process knows itself (innermost pid namespace). */
  identity(): { uid: number; gid: number; ownPid: number };
  /**
   * Directories in which the process can read and write, best first: `path` as the process names it, `here` as we do.
   */
  directories(): { path: string; here: string }[];
  /** Abstract Unix socket on which the hook of this very process listens, with its leading zero byte; `null` when none. */
  hookSocket(): string | null;
  /** Whether the kernel lets only ancestors write to its memory (Yama's `ptrace_scope` above 0). */
  restricted(): boolean;
}

/** One line of `/proc/net/unix`: `NUM: REFCOUNT PROTOCOL FLAGS TYPE STATE INODE PATH`; a zero byte shows as `@`. */
const HOOK_LINE = /^\S+: \S+ \S+ \S+ \S+ \S+ +(\d+) @(spillway-hook-[\w-]{93})$/gm;

/** Sockets named as the hook names its own, by inode. Whose they are is for the caller to see. */
export function hookSockets(netUnix: string): { inode: string; name: string }[] {
  return [...netUnix.matchAll(HOOK_LINE)].map(([, inode = '', name = '']) => ({ inode, name: `\0${name}` }));
}
