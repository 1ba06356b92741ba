/** HotSpot's counters, by name; only those that are whole numbers. */
export type PerfData = ReadonlyMap<string, number>;

const MAGIC = 0xcafec0c0;
/** Type signature of a `long`, as in class files. */
const LONG = 'J'.charCodeAt(0);

/**
 * Parses the file that HotSpot keeps mapped at `/tmp/hsperfdata_USER/PID` for jstat, version 2.0:
 * magic (big-endian), byte order (1 = little), major, minor, accessible; then used, overflow, modification time (8 bytes),
 * offset of the first entry, number of entries. An entry: length, offset of its name, length of its vector (0 = a scalar),
 * type, flags, unit, variability (a byte each), offset of its data; offsets are from the entry's start.
 * @returns `null` when it is something else, or not written yet
 */
export function parsePerfData(bytes: Uint8Array): PerfData | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 32 || view.getUint32(0) !== MAGIC || view.getUint8(5) !== 2 || view.getUint8(7) === 0)
    return null;
  const little = view.getUint8(4) === 1;
  const counters = new Map<string, number>();
  let at = view.getInt32(24, little);
  for (let left = view.getInt32(28, little); left > 0 && at + 20 <= bytes.length; left--) {
    const length = view.getInt32(at, little);
    if (length < 20 || at + length > bytes.length) return null;
    const data = at + view.getInt32(at + 16, little);
    const scalar = view.getInt32(at + 8, little) === 0;
    if (scalar && view.getUint8(at + 12) === LONG && data + 8 <= at + length)
      counters.set(textAt(bytes, at + view.getInt32(at + 4, little)), Number(view.getBigInt64(data, little)));
    at += length;
  }
  return counters;
}

/**
 * Milliseconds for which all of the program's threads were paused since the JVM's start: the time at safepoints and
 * the time to get there.
 */
export function safepointMs(counters: PerfData): number | null {
  const ticks = counters.get('sun.rt.safepointTime');
  const perSecond = counters.get('sun.os.hrt.frequency');
  if (ticks === undefined || !perSecond) return null;
  return ((ticks + (counters.get('sun.rt.safepointSyncTime') ?? 0)) / perSecond) * 1000;
}

function textAt(bytes: Uint8Array, start: number): string {
  return String.fromCharCode(...bytes.subarray(start, bytes.indexOf(0, start)));
}
