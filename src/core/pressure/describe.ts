import { formatBytes, formatSeconds } from '../lib/units.ts';
import { constraintRatio } from '../model/constraint.ts';
import type { GrowthReport } from '../model/growth-report.ts';
import type { Outlook } from '../model/outlook.ts';
import {
  containerRatio,
  memoryLimitedBy,
  memoryRatio,
  nearestOther,
  type Reading,
  unreclaimableBytes,
} from '../model/reading.ts';
import type { Level } from '../model/status.ts';
import { cutNote } from '../report/event-note.ts';
import { entryRatio, type Thresholds } from './level.ts';

const percent = (ratio: number) => `${(ratio * 100).toFixed(ratio < 0.0995 ? 1 : 0)} %`;

/** `86 % of the limit: 440 MiB of 512 MiB unreclaimable`; of the heap's own limit where that is nearer. */
export function describeUse(reading: Reading): string {
  const { heap, limitBytes } = reading;
  if (heap && memoryLimitedBy(reading) === 'heap')
    return `${percent(memoryRatio(reading))} of the heap's own limit: ${formatBytes(heap.usedBytes)} of ${formatBytes(heap.limitBytes)} in use (container: ${percent(containerRatio(reading))} of ${formatBytes(limitBytes)})`;
  const held = `${formatBytes(unreclaimableBytes(reading))} of ${formatBytes(limitBytes)} unreclaimable`;
  return `${percent(containerRatio(reading))} of ${reading.limitName ?? 'the limit'}: ${held}`;
}

/** The limit that a reading is nearer to, and that its outlook is about. */
export function limitName(reading: Reading): string {
  if (memoryLimitedBy(reading) === 'heap') return "the heap's own limit";
  return reading.limitSource === 'machine' ? "the machine's total memory" : "the container's limit";
}

/** `growing 12 MiB/s, about 6 s to the container's limit (95 %: 4 s to 11 s)`, or `not growing`. */
export function describeOutlook(outlook: Outlook, reading: Reading): string {
  const { growthBytesPerSecond: growth, secondsToLimit: seconds, secondsToLimitRange: range } = outlook;
  if (growth === null) return 'growth still unknown';
  if (growth <= 0 || seconds === null)
    return growth < -1024 ? `falling ${formatBytes(-growth)}/s` : 'not growing';
  const bounds = range
    ? ` (95 %: ${range[1] === null ? `at least ${formatSeconds(range[0])}` : `${formatSeconds(range[0])} to ${formatSeconds(range[1])}`})`
    : '';
  return `growing ${formatBytes(growth)}/s, about ${formatSeconds(seconds)} to ${limitName(reading)}${bounds}`;
}

/**
 * What the level means for new work: refused; admitted again because shedding frees nothing, or because memory has room; refused,
 * whatever the level, while many wait at the gate; none is admitted while the agent is recycled.
 */
export type Stance = 'refusing' | 'stuck' | 'relieved' | 'crowded' | 'ending';

/** What a reading has come to. */
interface Judgement {
  level: Level;
  outlook: Outlook;
  thresholds: Thresholds;
  stance: Stance;
  /** Until the constraint nearest to its limit reaches it, where that is not memory; `null` where no end is foreseen. */
  secondsToOther: number | null;
}

/** Why the level is what it is, and what it means for new work. */
export function describeLevel(
  reading: Reading,
  { level, outlook, thresholds: t, stance, secondsToOther }: Judgement,
): string {
  const other = nearestOther(reading);
  const soon = secondsToOther === null ? '' : `, about ${formatSeconds(secondsToOther)} to its limit`;
  const beside = other
    ? `${other.name} at ${percent(constraintRatio(other))} (${other.source})${soon}; `
    : '';
  const use = `${beside}memory at ${describeUse(reading)}`;
  const ending = 'the agent is being recycled and no new work is admitted';
  const crowded = 'requests wait for long at the gate, so /readyz refuses new work';
  const always = stance === 'ending' ? ending : stance === 'crowded' ? crowded : null;
  if (level === 'ok') return [use, describeOutlook(outlook, reading), ...(always ? [always] : [])].join('; ');
  const leave = percent(entryRatio(level, t) - t.recoverMargin);
  const work = {
    warning: always ?? 'all work is admitted',
    shedding: {
      ...{ ending, crowded },
      refusing: '/readyz refuses new work and /admit admits a share of requests',
      stuck: 'shedding frees nothing, so the pod is ready and /admit admits a share of requests',
      relieved: 'memory has room again and work is admitted',
    }[stance],
    critical: {
      ...{ ending, crowded },
      refusing: 'no new work is admitted',
      stuck: 'shedding frees nothing, so the pod is ready',
      relieved: 'memory has room again and work is admitted',
    }[stance],
  }[level];
  return `${use}; ${describeOutlook(outlook, reading)}; ${work}; the level ends below ${leave}`;
}

/** The note of an event: the finding, what grew where that is known, within the length of a Kubernetes Event. */
export function noteOf(finding: string, growth: GrowthReport | null): string {
  const first = growth?.kinds[0];
  return cutNote(first ? `${finding} What grew: ${first.words}.` : finding);
}
