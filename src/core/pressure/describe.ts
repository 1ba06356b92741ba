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
export function limitName(reading: Reading, article: 'the' | 'The' = 'the'): string {
  if (memoryLimitedBy(reading) === 'heap') return `${article} heap's own limit`;
  return reading.limitSource === 'machine'
    ? `${article} end of the machine's memory`
    : `${article} container's limit`;
}

/** `growing 12 MiB/s, the container's limit in about 6 s (4 s to 11 s)`, or `not growing`. */
export function describeOutlook(outlook: Outlook, reading: Reading): string {
  const { growthBytesPerSecond: growth, secondsToLimit: seconds, secondsToLimitRange: range } = outlook;
  if (growth === null) return 'growth not known yet';
  if (growth <= 0 || seconds === null)
    return growth < -1024 ? `falling ${formatBytes(-growth)}/s` : 'not growing';
  const bounds = range
    ? ` (${formatSeconds(range[0])} to ${range[1] === null ? 'never' : formatSeconds(range[1])})`
    : '';
  return `growing ${formatBytes(growth)}/s, ${limitName(reading)} in about ${formatSeconds(seconds)}${bounds}`;
}

/**
 * What is made of the level: work refused, or taken again because that brought nothing, or because it is not needed; none is
 * taken while the agent is ended in order.
 */
export type Stance = 'refusing' | 'stuck' | 'relieved' | 'ending';

/** Why the level is what it is, and what it means for new work. */
export function describeLevel(
  level: Level,
  reading: Reading,
  outlook: Outlook,
  t: Thresholds,
  stance: Stance,
): string {
  const other = nearestOther(reading);
  const beside = other ? `${other.name} at ${percent(constraintRatio(other))} (${other.source}); ` : '';
  const use = `${beside}memory at ${describeUse(reading)}`;
  if (level === 'ok') return `${use}; ${describeOutlook(outlook, reading)}`;
  const leave = percent(entryRatio(level, t) - t.recoverMargin);
  const ending = 'it is being ended in order, and no new work is taken';
  const work = {
    warning: stance === 'ending' ? ending : 'all work is taken',
    shedding: {
      ending,
      refusing: 'new work is turned away and what comes one by one admitted in part',
      stuck: 'refusing work brought nothing back, so work is taken again in part',
      relieved: 'there is room again, so work is taken; the level is held',
    }[stance],
    critical: {
      ending,
      refusing: 'no new work is taken',
      stuck: 'refusing work brought nothing back, so probes are answered ready again',
      relieved: 'there is room again, so work is taken; the level is held',
    }[stance],
  }[level];
  return `${use}; ${describeOutlook(outlook, reading)}; ${work} until it falls below ${leave}`;
}

/** The note of an event: what is to be told, what grew where that is known, and no longer than a Kubernetes Event may be. */
export function noteOf(told: string, growth: GrowthReport | null): string {
  const first = growth?.kinds[0];
  return cutNote(first ? `${told} What grew: ${first.words}.` : told);
}
