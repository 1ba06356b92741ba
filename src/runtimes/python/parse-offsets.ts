/**
 * Where CPython keeps what its remote debugging needs (PEP 768): byte offsets into three of its structures, as it
 * publishes them in `_Py_DebugOffsets` at the start of `_PyRuntime`.
 */
export interface PythonOffsets {
  /** `3.14.10`. */
  version: string;
  runtime: { finalizing: number; interpretersHead: number };
  interpreter: { id: number; next: number; threadsMain: number; remoteDebuggingEnabled: number };
  thread: {
    interpreter: number;
    nativeThreadId: number;
    evalBreaker: number;
    pendingCall: number;
    path: number;
  };
  /** Of the buffer for the script's path, its closing zero included. */
  pathBytes: number;
}

/** Enough for the biggest `_Py_DebugOffsets` known (3.15: 888 bytes). */
export const DEBUG_OFFSETS_BYTES = 1024;

const COOKIE = 'xdebugpy';
/** No structure of CPython's is near this size. */
const MAX_OFFSET = 1 << 24;

/**
 * Which of the numbers after the cookie is what. The structure is fixed within a minor version and changes between
 * them (Include/internal/pycore_debug_offsets.h of 3.14.0 and 3.15.0), so an unknown one is refused.
 */
const LAYOUTS: Readonly<Record<string, { nativeThreadId: number; debuggerSupport: number }>> = {
  '3.14': { nativeThreadId: 27, debuggerSupport: 88 },
  '3.15': { nativeThreadId: 30, debuggerSupport: 104 },
};

/**
 * Reads `_Py_DebugOffsets`: the cookie `xdebugpy`, then 64-bit little-endian numbers: `PY_VERSION_HEX`, whether the
 * build is free-threaded, and one group of offsets per structure.
 * @returns in words why it cannot be used, where it cannot
 */
export function parseDebugOffsets(bytes: Uint8Array): PythonOffsets | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (index: number): number => {
    const position = COOKIE.length + index * 8;
    return position + 8 <= view.byteLength ? Number(view.getBigUint64(position, true)) : Number.NaN;
  };
  const cookie = String.fromCharCode(...bytes.subarray(0, COOKIE.length));
  if (cookie !== COOKIE) return 'it is not CPython 3.13 or newer';
  const hex = at(0);
  const minor = `${Math.floor(hex / 2 ** 24)}.${(hex >> 16) & 0xff}`;
  const version = `${minor}.${(hex >> 8) & 0xff}`;
  const layout = LAYOUTS[minor];
  if (!layout) return `CPython ${version} is not one of ${Object.keys(LAYOUTS).join(', ')}`;
  if (((hex >> 4) & 0xf) !== 0xf) return `CPython ${version} is a pre-release`;
  if (at(1) !== 0) return `CPython ${version} is a free-threaded build`;
  const interpreterBytes = at(5);
  const threadBytes = at(21);
  const support = (field: number) => at(layout.debuggerSupport + field);
  const pathBytes = support(5);
  const offsets: PythonOffsets = {
    version,
    runtime: { finalizing: at(3), interpretersHead: at(4) },
    interpreter: { id: at(6), next: at(7), threadsMain: at(9), remoteDebuggingEnabled: support(2) },
    thread: {
      interpreter: at(24),
      nativeThreadId: at(layout.nativeThreadId),
      evalBreaker: support(0),
      pendingCall: support(1) + support(3),
      path: support(1) + support(4),
    },
    pathBytes,
  };
  const { runtime, interpreter, thread } = offsets;
  const fits =
    within(at(2), [runtime.finalizing, runtime.interpretersHead]) &&
    within(interpreterBytes, Object.values(interpreter)) &&
    within(threadBytes, [...Object.values(thread), thread.path + pathBytes - 8]) &&
    thread.evalBreaker % 8 === 0 &&
    thread.pendingCall + 4 <= thread.path &&
    pathBytes >= 256 &&
    pathBytes <= 4096;
  return fits ? offsets : `the debug offsets of CPython ${version} make no sense`;
}

/** Whether there is room for eight bytes at each offset of a structure. */
function within(structBytes: number, offsets: number[]): boolean {
  return structBytes <= MAX_OFFSET && offsets.every((offset) => offset >= 0 && offset + 8 <= structBytes);
}
