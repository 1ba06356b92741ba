import { SpillwayError } from '../../core/lib/errors.ts';
import type { PythonFacts } from '../../core/proc/python-facts.ts';
import { isWritable } from '../../core/proc/python-maps.ts';
import { type AgentMemory, openMemory } from './agent-memory.ts';
import { DEBUG_OFFSETS_BYTES, type PythonOffsets, parseDebugOffsets } from './parse-offsets.ts';

/** How a Python agent that cannot be reached from outside can be. */
export const HOOK_HINT = 'import spillway_hook in the agent (one line; shipped with Spillway)';

/**
 * Bits of `eval_breaker` (pycore_ceval.h of 3.14 and 3.15). The interpreter changes them from other threads while we
 * write, and what we overwrite would be lost: a signal not handled, a pending call not made. So those are set as well;
 * each is cleared and looked into, and finding nothing to do costs nothing. The two left out repeat themselves (GIL
 * request, scheduled collection).
 */
const SIGNALS_PENDING = 1 << 1;
const CALLS_TO_DO = 1 << 2;
const ASYNC_EXCEPTION = 1 << 3;
const PLEASE_STOP = 1 << 5;
/** No program has as many interpreters. */
const MAX_INTERPRETERS = 4096;
const BREAK = SIGNALS_PENDING | CALLS_TO_DO | ASYNC_EXCEPTION | PLEASE_STOP;

/** The place in the agent's main thread where an order to run a script is left (PEP 768). */
export interface RemoteOrder {
  readonly version: string;
  /**
   * Leaves the order.
   * @throws SpillwayError `refused`
   */
  arm(path: string): void;
  pending(): boolean;
  /** Asks the interpreter again to look: an exception on its way may have kept it from doing so. */
  remind(): void;
  /** Takes the order back; one that is being read at this moment names no file any more. */
  disarm(): void;
  close(): void;
}

/**
 * Finds that place and checks everything that can be checked, since a write to a wrong one would kill the agent: the
 * cookie and version of the structure, that the offsets fit their structures, that interpreter and thread know each
 * other, that the thread is the process' main thread, and that each address lies in writable memory.
 * @throws SpillwayError `refused`
 */
export function openOrder(procRoot: string, pid: number, look: PythonFacts, startTime: number): RemoteOrder {
  const maps = look.maps();
  const runtime = look.runtimeAddress(maps);
  if (runtime === null) return refuse('it is not CPython 3.14 or newer');
  const memory = openMemory(procRoot, pid, look.restricted());
  try {
    if (look.startTime() !== startTime) refuse('it has ended');
    if (!isWritable(maps, runtime, DEBUG_OFFSETS_BYTES))
      refuse('its runtime state is not in writable memory');
    const offsets = parseDebugOffsets(memory.read(runtime, DEBUG_OFFSETS_BYTES));
    if (typeof offsets === 'string') return refuse(offsets);
    const thread = mainThread(memory, runtime, offsets, look.identity().ownPid);
    const { evalBreaker, pendingCall, path } = offsets.thread;
    const first = Math.min(evalBreaker, pendingCall);
    if (!isWritable(maps, thread + first, path + offsets.pathBytes - first))
      refuse('its main thread state is not in writable memory');
    return orderIn(memory, offsets, thread);
  } catch (error) {
    memory.close();
    throw error;
  }
}

/** The state of the main thread of the main interpreter. That one lives as long as the program: no write can come too late. */
function mainThread(memory: AgentMemory, runtime: number, offsets: PythonOffsets, ownPid: number): number {
  const { interpreter: of, thread: in_ } = offsets;
  if (memory.pointer(runtime + offsets.runtime.finalizing) !== 0) refuse('it is shutting down');
  let interpreter = memory.pointer(runtime + offsets.runtime.interpretersHead);
  // the newest interpreter comes first; the main one has the id 0
  for (let i = 0; interpreter !== 0 && memory.pointer(interpreter + of.id) !== 0; i++) {
    if (i === MAX_INTERPRETERS) refuse('its list of interpreters is invalid');
    interpreter = memory.pointer(interpreter + of.next);
  }
  const thread = interpreter === 0 ? 0 : memory.pointer(interpreter + of.threadsMain);
  if (thread === 0) return refuse('it is starting', { retryable: true });
  if (memory.pointer(thread + in_.interpreter) !== interpreter)
    refuse('its interpreter and its main thread do not match');
  if (memory.pointer(thread + in_.nativeThreadId) !== ownPid)
    refuse('its interpreter does not run in the main thread of the process');
  if (memory.int32(interpreter + of.remoteDebuggingEnabled) !== 1)
    refuse('remote debugging is disabled', {
      hint: `start it without PYTHON_DISABLE_REMOTE_DEBUG and -X disable-remote-debug, or ${HOOK_HINT}`,
    });
  return thread;
}

function orderIn(memory: AgentMemory, offsets: PythonOffsets, thread: number): RemoteOrder {
  const { evalBreaker, pendingCall, path: pathAt } = offsets.thread;
  const pending = () => memory.int32(thread + pendingCall) !== 0;
  // the lowest byte (little-endian) holds all those bits; the rest is a version that is none of ours
  const remind = () => {
    const [bits = 0] = memory.read(thread + evalBreaker, 1);
    memory.write(thread + evalBreaker, Uint8Array.of(bits | BREAK));
  };
  return {
    version: offsets.version,
    arm(path) {
      const bytes = Buffer.from(`${path}\0`);
      if (bytes.length > offsets.pathBytes) refuse(`the path ${path} is too long for it`);
      if (pending()) refuse('another debugger is attached', { retryable: true });
      memory.write(thread + pathAt, bytes);
      memory.write(thread + pendingCall, Uint8Array.of(1, 0, 0, 0));
      remind();
    },
    pending,
    remind,
    disarm() {
      memory.write(thread + pathAt, Uint8Array.of(0));
      memory.write(thread + pendingCall, Uint8Array.of(0, 0, 0, 0));
    },
    close: () => memory.close(),
  };
}

function refuse(why: string, options: { hint?: string; retryable?: boolean } = {}): never {
  throw new SpillwayError('refused', `the Python agent is unreachable: ${why}`, {
    hint: HOOK_HINT,
    ...options,
  });
}
