const MIB = 2 ** 20;
/** V8's smallest default on 64-bit machines: measured 259 MiB in containers of 256, 384 and 512 MiB (Node 20). */
const SMALLEST_DEFAULT_BYTES = 259 * MIB;
/** V8's largest default on 64-bit machines, and with plenty of memory: from 15 GiB on (measured, Node 20 to 26). */
const LARGEST_DEFAULT_BYTES = { otherwise: 2048 * MIB, plenty: 4096 * MIB };
const PLENTY_BYTES = 15 * 1024 * MIB;

/** In `NODE_OPTIONS` it may stand in quotes. */
const FLAG = /^"?--max[-_]old[-_]space[-_]size([-_]percentage)?(?:=([\d.]+))?"?$/;

/**
 * The size of heap at which V8 aborts a Node process, as far as it shows from outside: `--max-old-space-size` from
 * the command line or `NODE_OPTIONS`, else the default, which is about half the container's limit.
 */
export function heapLimit(
  args: readonly string[],
  nodeOptions: string,
  limitBytes: number,
): { bytes: number; set: boolean } {
  const options = [...nodeOptions.split(/\s+/), ...args];
  let bytes: number | undefined;
  let share: number | undefined;
  for (const [i, option] of options.entries()) {
    const found = FLAG.exec(option);
    if (!found) continue;
    const [, unit, value] = found;
    const number = Number(value ?? options[i + 1]);
    if (number > 0 && unit === undefined) bytes = number * MIB;
    else if (number > 0) share = number / 100;
  }
  // of the memory that the process may use, which is the container's; it overrides the size wherever it stands (Node 22, 24, 26)
  if (share !== undefined) bytes = Math.floor(share * limitBytes);
  if (bytes !== undefined) return { bytes, set: true };
  const { otherwise, plenty } = LARGEST_DEFAULT_BYTES;
  const largestBytes = limitBytes > PLENTY_BYTES ? plenty : otherwise;
  const byDefault = Math.min(largestBytes, Math.max(SMALLEST_DEFAULT_BYTES, limitBytes / 2));
  return { bytes: byDefault, set: false };
}

/** V8 tells its limit with room for the young generation in it: three semi-spaces, of 64 MiB at most by default (Node 20 to 26). */
const SEMI_SPACES = 3;
const LARGEST_SEMI_SPACE_MIB = 64;
const SEMI_SPACE_FLAG = /^"?--max[-_]semi[-_]space[-_]size=([\d.]+)"?$/;

/**
 * Of the limit that V8 tells in a process, the part that it gives up at: that of the old generation, where flags and defaults explain what it tells.
 * @param memoryBytes what the process may use
 */
export function oldGeneration(
  toldBytes: number,
  args: readonly string[],
  nodeOptions: string,
  memoryBytes: number,
): number {
  const { bytes } = heapLimit(args, nodeOptions, memoryBytes);
  const sizes = [...nodeOptions.split(/\s+/), ...args].flatMap(
    (each) => SEMI_SPACE_FLAG.exec(each)?.[1] ?? [],
  );
  const semiMib = 2 ** Math.ceil(Math.log2(Number(sizes.at(-1)) || LARGEST_SEMI_SPACE_MIB));
  const explained = toldBytes > bytes - MIB && toldBytes <= bytes + (SEMI_SPACES * semiMib + 1) * MIB;
  return explained ? Math.min(toldBytes, bytes) : toldBytes;
}
