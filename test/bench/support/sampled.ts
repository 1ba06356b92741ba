/** What the sampler finds, as indexes of the numbers in shared memory; times in milliseconds of the clock all threads share. */
export const CROSSED_MS = 0;
export const GREW_MS = 1;
export const PEAK_BYTES = 2;

export interface SamplerData {
  directory: string;
  version: 1 | 2;
  /** Unreclaimable memory, in bytes, from which on the line counts as crossed. */
  lineBytes: number;
  found: Float64Array;
  stop: Int32Array;
}
