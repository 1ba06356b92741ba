import { closeSync, openSync, readSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { nowMs } from './support/probe.ts';
import { CROSSED_MS, GREW_MS, PEAK_BYTES, type SamplerData } from './support/sampled.ts';

// Looks from outside every 0.3 ms, in a thread of its own, independent of all that is measured.
const EVERY_MS = 0.3;
/** After a kill others of the agent grow on, up to where it was: that is no growth before the kill. */
const STEP_BYTES = 256 * 1024;
const { directory, version, lineBytes, found, stop } = workerData as SamplerData;
const buffer = Buffer.alloc(65_536);
const usageFd = openSync(`${directory}/memory.${version === 1 ? 'usage_in_bytes' : 'current'}`, 'r');
const statFd = openSync(`${directory}/memory.stat`, 'r');
const text = (fd: number) => buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0));
const files = version === 1 ? /^total_(?:in)?active_file (\d+)/gm : /^(?:in)?active_file (\d+)/gm;

while (Atomics.wait(stop, 0, 0, EVERY_MS) === 'timed-out') {
  let held = Number(text(usageFd));
  // the statistics cost ten times the total: they are asked for only where they decide
  if (held >= lineBytes && !found[CROSSED_MS])
    for (const match of text(statFd).matchAll(files)) held -= Number(match[1]);
  const atMs = nowMs();
  if (held >= lineBytes && !found[CROSSED_MS]) found[CROSSED_MS] = atMs;
  if (held > (found[PEAK_BYTES] ?? 0) + STEP_BYTES) {
    found[PEAK_BYTES] = held;
    found[GREW_MS] = atMs;
  }
}
closeSync(usageFd);
closeSync(statFd);
