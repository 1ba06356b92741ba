import type { Clock } from '../core/ports/ports.ts';
import { LOOKS_APART_MS } from './heap-monitor.ts';
import { sleep } from './waiting.ts';

/** So many looks at a heap near its limit, the first included; waited for in such steps. */
const MOST_LOOKS = 6;
const STEP_MS = 25;

/** Looks again and again within 1.5 s, as long as it goes on. What is due meanwhile does not wait for the next look. */
export async function lookOn(clock: Clock, goesOn: () => boolean, look: () => Promise<void>): Promise<void> {
  for (let looks = 1; looks < MOST_LOOKS && goesOn(); looks++) {
    for (let ms = 0; ms < LOOKS_APART_MS && goesOn(); ms += STEP_MS) await sleep(clock, STEP_MS);
    if (goesOn()) await look();
  }
}
