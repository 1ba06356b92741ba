/** A file as HotSpot writes it: `sun.os.vendor` is text, the rest are numbers. */
export function perfData(counters: Record<string, number | string>, { accessible = 1 } = {}): Buffer {
  const header = Buffer.alloc(32);
  header.writeUInt32BE(0xcafec0c0, 0);
  header.set([1, 2, 0, accessible], 4);
  header.writeInt32LE(32, 24);
  header.writeInt32LE(Object.keys(counters).length, 28);
  const entries = Object.entries(counters).map(([name, value]) => {
    const dataAt = 20 + Math.ceil((name.length + 1) / 8) * 8 + 4;
    const entry = Buffer.alloc(dataAt + 8);
    entry.writeInt32LE(entry.length, 0);
    entry.writeInt32LE(20, 4);
    entry.writeInt32LE(typeof value === 'string' ? 8 : 0, 8);
    entry.write(typeof value === 'string' ? 'B' : 'J', 12);
    entry.writeInt32LE(dataAt, 16);
    entry.write(name, 20);
    if (typeof value === 'number') entry.writeBigInt64LE(BigInt(value), dataAt);
    return entry;
  });
  return Buffer.concat([header, ...entries]);
}

/** Counters of a program that has stood still for 12.5 ms. */
export const COUNTERS = {
  'java.vendor': 'x',
  'sun.rt.safepointTime': 12_000_000,
  'sun.rt.safepointSyncTime': 500_000,
  'sun.os.hrt.frequency': 1_000_000_000,
};
