import { clean } from '../lib/text.ts';
import { formatBytes } from '../lib/units.ts';
import type { GrowthKind, GrowthReport } from '../model/growth-report.ts';
import type { HeapFacts, Site } from '../model/heap.ts';
import type { ProcessShare } from '../model/process.ts';

/** What is known of the agent's memory at one moment, in bytes; `null` where nothing tells. */
export interface MemoryFacts {
  heap: HeapFacts | null;
  /** Resident memory of the process whose heap it is. */
  rssBytes: number | null;
  /** Of all that counts against the limit. */
  anonBytes: number | null;
  shmemBytes: number | null;
  /** All of the agent's, itself among them. */
  processes: readonly ProcessShare[];
}

type Kind = GrowthReport['kinds'][number];

/** Less than this is no growth but the noise of counters and pages. */
const LEAST_BYTES = 1024 * 1024;
/** Resident memory of a Node that has just started and holds nothing: 42–46 MiB on Node 20–26. */
const RUNTIME_BYTES = 44 * 1024 * 1024;
const MOST_SITES_TOLD = 3;
const MOST_NAMES_TOLD = 3;
/** Characters of a function's or class' name, and of a path. */
const MOST_NAME = 120;
const MOST_PATH = 240;
/** The note of a Kubernetes Event may be 1,024 characters; this leaves room for what else it says. */
const NOTE_CHARACTERS = 400;

/**
 * Splits growth by kind, most first. Each byte counts once as far as is known: what Node itself needs outside its heap
 * was there before and cancels out, and what one kind returned and another took is no growth.
 * @param pid the process whose heap it is; every other one of the agent counts as its child
 * @param before `null` where nothing was known earlier: then everything is growth
 */
export function growthKinds(
  pid: number,
  now: MemoryFacts,
  before: MemoryFacts | null,
  sites: readonly Site[],
): { kinds: Kind[]; note: string } {
  const kinds: Kind[] = [];
  const add = (kind: GrowthKind, bytes: number, growthBytes: number, words: (by: string) => string) => {
    if (growthBytes < LEAST_BYTES) return;
    const grown = growthBytes < bytes ? ` (+${formatBytes(growthBytes)})` : '';
    kinds.push({ kind, bytes, growthBytes, words: words(`${formatBytes(bytes)}${grown}`) });
  };
  const whole = processGrowth(pid, now, before);
  const { heap } = now;
  const external = heap?.externalBytes ?? 0;
  const heapGrowth = heap ? grownPart(heap.committedBytes, before?.heap?.committedBytes, whole) : 0;
  const externalGrowth = heap ? grownPart(external, before?.heap?.externalBytes, whole) : 0;
  if (heap) {
    add('heap', heap.committedBytes, heapGrowth, (by) => heapWords(by, sites));
    add(
      'external',
      external,
      externalGrowth,
      (by) => `Buffers and other memory of objects outside the heap: ${by}`,
    );
    const native = (rssOfMain(pid, now) ?? 0) - heap.committedBytes - external;
    const nativeGrowth = (whole ?? 0) - heapGrowth - externalGrowth;
    add(
      'native',
      native,
      Math.min(native, nativeGrowth),
      (by) => `native memory outside the heap (addons, or freed and kept by the allocator): ${by}`,
    );
  }
  const children = childrenOf(pid, now);
  const childrenGrowth = rssOf(children) - (before ? rssOf(childrenOf(pid, before)) : 0);
  add('children', rssOf(children), childrenGrowth, (by) => childrenWords(by, children));
  if (now.shmemBytes !== null)
    add(
      'shared',
      now.shmemBytes,
      now.shmemBytes - (before?.shmemBytes ?? 0),
      (by) => `files in tmpfs and shared memory: ${by}`,
    );
  kinds.sort((a, b) => b.growthBytes - a.growthBytes);
  return { kinds, note: noteOf(kinds) };
}

/**
 * By how much the process itself has grown; `null` where that is not known. Mapped files are resident too and can be
 * dropped, so it is no more than all anonymous memory has.
 */
function processGrowth(pid: number, now: MemoryFacts, before: MemoryFacts | null): number | null {
  const rss = rssOfMain(pid, now);
  if (rss === null) return null;
  const growth = rss - ((before && rssOfMain(pid, before)) ?? RUNTIME_BYTES);
  if (now.anonBytes === null || before === null || before.anonBytes === null) return growth;
  return Math.min(growth, now.anonBytes - before.anonBytes);
}

/** Growth of a part of the process. Where its size before is not known, no more than the whole process has grown by. */
function grownPart(bytes: number, before: number | null | undefined, whole: number | null): number {
  const growth = bytes - (before ?? 0);
  return Math.max(0, before == null && whole !== null ? Math.min(growth, whole) : growth);
}

function rssOfMain(pid: number, { rssBytes, processes }: MemoryFacts): number | null {
  return rssBytes ?? processes.find((each) => each.pid === pid)?.rssBytes ?? null;
}

function heapWords(by: string, sites: readonly Site[]): string {
  const told = sites
    .filter(({ growthBytes }) => growthBytes > 0)
    .slice(0, MOST_SITES_TOLD)
    .map(siteWords);
  return told.length > 0 ? `heap: ${by}, grown in ${told.join(', ')}` : `heap: ${by}`;
}

/** What the agent's runtime says of a site: names and paths are the agent's to choose. */
export function plainSite(site: Site): Site {
  const { name, file, package: from } = site;
  return {
    ...site,
    name: clean(name, MOST_NAME),
    file: file === null ? null : clean(file, MOST_PATH),
    package: from === null ? null : clean(from, MOST_NAME),
  };
}

/** A site in one phrase: `` `agentStep (src/agent.ts:7)` +84 MiB``, with its package where it is of one. */
export function siteWords({ name, file, line, package: from, growthBytes }: Site): string {
  const place = file === null ? '' : ` (${line === null ? file : `${file}:${line}`})`;
  const of = from === null || from === 'node' ? '' : ` of ${from}`;
  return `\`${name}${place}\`${of} +${formatBytes(growthBytes)}`;
}

function childrenWords(by: string, children: readonly ProcessShare[]): string {
  const groups = new Map<string, ProcessShare[]>();
  for (const child of children) groups.set(child.name, [...(groups.get(child.name) ?? []), child]);
  const names = [...groups]
    .sort(([, a], [, b]) => rssOf(b) - rssOf(a))
    .map(([name, those]) => (those.length > 1 ? `\`${name}\` ×${those.length}` : `\`${name}\``));
  const more = names.length > MOST_NAMES_TOLD ? ', …' : '';
  return `child processes: ${by} in ${names.slice(0, MOST_NAMES_TOLD).join(', ')}${more}`;
}

function childrenOf(pid: number, { processes }: MemoryFacts): ProcessShare[] {
  return processes.filter((each) => each.pid !== pid);
}

function rssOf(processes: readonly ProcessShare[]): number {
  return processes.reduce((sum, { rssBytes }) => sum + rssBytes, 0);
}

/** As many kinds as there is room for; a first one that is too long is cut. */
function noteOf(kinds: readonly Kind[]): string {
  const [first, ...others] = kinds.map(({ words }) => words);
  if (first === undefined) return 'No kind of memory has grown.';
  let note = `${first.charAt(0).toUpperCase()}${first.slice(1)}`;
  if (note.length >= NOTE_CHARACTERS) return `${note.slice(0, NOTE_CHARACTERS - 1)}…`;
  for (const words of others) {
    if (note.length + words.length + 3 > NOTE_CHARACTERS) break;
    note += `; ${words}`;
  }
  return `${note}.`;
}
