import { memoryRatio } from '../model/reading.ts';
import type { Situation } from '../ports/ports.ts';
import { MARGIN_SECONDS, SUSTAINED_SECONDS } from './foreseen-kill.ts';

/** The kill is about to come: there is no time left to wait for work to end. A forecast of a burst may be of a single step. */
const URGENT = { seconds: 0.3, ratio: 0.94 };
const URGENT_RATIO = 0.98;

/** Whether the kill is too near to wait for anything. */
export function isUrgent({ outlook, reading, risingSeconds }: Situation): boolean {
  const { secondsToLimit } = outlook;
  const ratio = memoryRatio(reading);
  const seconds = risingSeconds >= SUSTAINED_SECONDS ? MARGIN_SECONDS : URGENT.seconds;
  const soon = secondsToLimit !== null && secondsToLimit < seconds;
  return ratio >= URGENT_RATIO || (soon && ratio >= URGENT.ratio);
}
