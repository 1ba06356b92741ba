/**
 * V8 asks for the memory of its heap at random addresses of 46 bits, far below where the kernel puts what a program leaves to
 * it: stacks, libraries, and what `malloc` maps, Buffers among it. So what lies there is the heap, with room not yet used.
 * Seen on Node 18 to 26: 90 MiB of objects beside 200 MiB of Buffers are 118 to 136 MiB there, right after they were made up
 * to 235 MiB (Node 24).
 */
const HIGHEST = 0x4000_0000_0000;
/** Of all Node processes at their start; less says that this one lays its memory out in another way. */
const LEAST_BYTES = 2 ** 20;
/** `START-END PERMISSIONS OFFSET DEVICE INODE [NAME]`: private, to be written to, of no file and without a name. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) rw.p [0-9a-f]+ \S+ 0 *$/gm;

/**
 * Bytes in the mappings of V8's heap, from the text of `/proc/PID/maps`.
 * @returns the most that the heap can be; `null` where that is unknown
 */
export function v8HeapBytes(maps: string): number | null {
  let sum = 0;
  for (const [, start = '', end = ''] of maps.matchAll(MAPPING)) {
    const from = Number.parseInt(start, 16);
    if (from < HIGHEST) sum += Number.parseInt(end, 16) - from;
  }
  return sum < LEAST_BYTES ? null : sum;
}
