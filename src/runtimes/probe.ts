import { accessSync, constants } from 'node:fs';
import type { SharedHost } from '../sources/shared-host.ts';

/** How a runtime can be connected to, or why it collects nothing. */
export type ProbeCode =
  | 'inspector_open'
  | 'sigusr1' // opens it when needed
  | 'hook'
  | 'hook_not_connected'
  | 'hook_not_loaded'
  | 'remote_debugging' // PEP 768
  | 'attach'
  | 'attach_open' // its socket
  | 'pprof'
  | 'explicit_gc_disabled';

/** Whether, and how, a runtime can be connected to. */
export interface RuntimeProbe {
  code: ProbeCode;
  /** The connection, in words. */
  detail: string;
  /** Why it collects nothing all the same, and what to change. */
  noGc?: { code: ProbeCode; detail: string; hint: string };
  /** A better connection, and how to get it. */
  advice?: { check: string; code: ProbeCode; detail: string; hint: string };
  /** Whether the connection is a port that others could reach. */
  exposesPort?: boolean;
}

/** How a probe may ask; it changes nothing, whatever it may. */
export interface ProbeOptions {
  procRoot: string;
  /** Whether a signal may open a connection later. */
  mayOpen: boolean;
  /** Who could reach a port that opens, where it is not opened for that. */
  others?: SharedHost | undefined;
}

/** A port that is asked whether it is an inspector's or pprof's answers within this time, in milliseconds; measured 1–5. */
export const ASK_MS = 500;

/** Signal 0 is none: the kernel only says whether one might be sent. */
export function maySignal(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
