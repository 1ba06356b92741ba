import { formatBytes, formatSeconds } from '../core/lib/units.ts';
import type { GcRecord } from '../core/model/gc-record.ts';
import { unreclaimableBytes } from '../core/model/reading.ts';
import { RUNTIMES } from '../core/model/runtimes.ts';
import type { DeathCause, Level, Status } from '../core/model/status.ts';
import type { Point } from './model.ts';

/** What stands where there is no number. */
export const NONE = '–';

/** Each level in a word, a sign of its own shape, and what it means for new work. */
export const LEVEL_WORDS: Readonly<Record<Level, { word: string; sign: string; letter: string }>> = {
  ok: { word: 'OK', sign: '●', letter: 'ok' },
  warning: { word: 'Warning', sign: '▲', letter: 'W' },
  shedding: { word: 'Shedding', sign: '◆', letter: 'S' },
  critical: { word: 'Critical', sign: '■', letter: 'C' },
};

/** How each end of the agent is called. */
export const DEATH_WORDS: Readonly<Record<DeathCause, string>> = {
  'oom-killed': 'OOM killed',
  'heap-limit': 'Heap limit',
  exit: 'Exit',
  signal: 'Signal',
  unknown: 'Unknown',
};

const LIMIT_WORDS: Readonly<Record<NonNullable<Status['limitSource']>, string>> = {
  option: 'set by --limit',
  'cgroup-v2': "the container's cgroup (v2)",
  'cgroup-v1': "the container's cgroup (v1)",
  'downward-api': "the pod's spec (downward API)",
  machine: "none is set: the machine's memory",
};
const USAGE_WORDS: Readonly<Record<NonNullable<Status['usageSource']>, string>> = {
  'cgroup-v2': "the container's cgroup (v2)",
  'cgroup-v1': "the container's cgroup (v1)",
  rss: 'resident memory of its processes (an estimate)',
};
/** Bytes for a reader, or a dash. */
export function bytes(value: number | null | undefined): string {
  return value == null ? NONE : formatBytes(value);
}

/** Bytes on a scale: `24 MiB`, `1.5 GiB`. */
export function shortBytes(value: number): string {
  return value === 0 ? '0' : formatBytes(value).replace(/\.0+ |(\.\d*[1-9])0+ /, '$1 ');
}

/** A sentence: begins with a capital and ends with a full stop. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

/** A change of bytes with its sign: `+12 MiB`. */
export function signedBytes(value: number): string {
  return `${value > 0 ? '+' : ''}${formatBytes(value)}`;
}

/** What a ratio is a share of. */
export function ofConstraint(name: string): string {
  if (name === 'container') return 'of the limit';
  return name === 'heap' ? "of the heap's own limit" : `of the constraint ${name}`;
}

/** A ratio as whole percent, or a dash. */
export function percent(ratio: number | null): string {
  return ratio === null ? NONE : `${Math.round(ratio * 100)} %`;
}

/** `+12 MiB/s`, `-3 MiB/s`, `steady`, or a dash while not known. */
export function growth(bytesPerSecond: number | null): string {
  if (bytesPerSecond === null) return NONE;
  return Math.abs(bytesPerSecond) < 1024 ? 'steady' : `${signedBytes(bytesPerSecond)}/s`;
}

/** When the limit is reached: `about 34 s`, with its bounds; or that it is not. */
export function toLimit({
  secondsToLimit: seconds,
  secondsToLimitRange: range,
  growthBytesPerSecond,
}: Pick<Status, 'secondsToLimit' | 'secondsToLimitRange' | 'growthBytesPerSecond'>): {
  value: string;
  detail: string;
} {
  if (seconds === null)
    return {
      value: NONE,
      detail: growthBytesPerSecond === null ? 'growth still unknown' : 'not growing towards the limit',
    };
  const upper = range && (range[1] === null ? 'never' : formatSeconds(range[1]));
  return {
    value: formatSeconds(seconds),
    detail: range ? `${formatSeconds(range[0])} to ${upper} (95 %)` : 'at the present growth',
  };
}

/** Readiness in words. */
export function readiness({ ready, recycling }: Pick<Status, 'ready' | 'recycling'>): string {
  if (ready) return 'Ready: admits new work';
  return recycling ? 'Not ready: being recycled' : 'Not ready: admits no new work';
}

/** Where the limit comes from, in words. */
export function limitSource(source: Status['limitSource']): string {
  return source === null ? NONE : LIMIT_WORDS[source];
}

/** Where the use comes from, in words. */
export function usageSource(source: Status['usageSource']): string {
  return source === null ? NONE : USAGE_WORDS[source];
}

/** The runtime's own name. */
export function runtime(agent: Status['agent']): string {
  return agent ? RUNTIMES[agent.runtime].label : NONE;
}

/** The title of the tab: what matters first, since tabs are narrow. */
export function title(status: Status | null, live: boolean): string {
  if (!status) return 'Spillway';
  const name = status.agent?.name ?? 'no agent';
  if (!live) return `? ${name} · Spillway`;
  const { sign, word } = LEVEL_WORDS[status.level];
  if (status.blind) return `? blind · ${name} · Spillway`;
  return `${sign} ${percent(status.ratio)} ${word} · ${name} · Spillway`;
}

/** Announcement for screen readers: a change of level, readiness or blindness; `null` without one. */
export function announcement(before: Status | null, now: Status): string | null {
  const changed =
    before && (before.level !== now.level || before.ready !== now.ready || before.blind !== now.blind);
  if (!changed) return null;
  if (now.blind) return `Blind: ${sentence(now.reason)} ${readiness(now)}.`;
  return `Level ${LEVEL_WORDS[now.level].word}. ${readiness(now)}. ${sentence(now.reason)}`;
}

/** The chart in a sentence, for those who cannot see it. */
export function describeChart(points: readonly Point[], live: boolean): string {
  const last = points.at(-1);
  const [first] = points;
  if (!last || !first) return 'Memory over time: no reading yet.';
  const held = points.map(unreclaimableBytes);
  const lowest = held.reduce((a, b) => Math.min(a, b));
  const highest = held.reduce((a, b) => Math.max(a, b));
  const span = formatSeconds((last.atMs - first.atMs) / 1000);
  return `Unreclaimable memory, over ${span}: between ${formatBytes(lowest)} and ${formatBytes(highest)}, ${live ? 'now' : 'last'} ${formatBytes(unreclaimableBytes(last))} of ${formatBytes(last.limitBytes)}. The table below has the numbers.`;
}

/** The result of a collection: `freed 38 MiB, paused 210 ms`, or why nothing. */
export function collection({ verdict, freedBytes, stallMs }: GcRecord): string {
  const stall = stallMs > 0 ? `, paused ${formatSeconds(stallMs / 1000)}` : '';
  return verdict === 'freed'
    ? `freed ${formatBytes(freedBytes)}${stall}`
    : `${verdict.replaceAll('_', ' ')}${stall}`;
}

/** Why there was a collection, how, and what hindered it. */
export function collectionDetail({ trigger, way, verdict, note, hint }: GcRecord): string {
  const hindrance = verdict === 'refused' || verdict === 'timeout' ? note : null;
  return [trigger, way && `${way} GC`, hindrance, hint].filter(Boolean).join(' · ');
}

/** A place in a program: `src/memory.ts:40`. */
export function place(file: string | null, line: number | null): string {
  if (file === null) return '';
  return line === null ? file : `${file}:${line}`;
}
