import type { Profile, Site } from '../../core/model/heap.ts';

/** Live bytes by class, the class named as in Java source. */
export type JvmHistogram = ReadonlyMap<string, { bytes: number; module: string | null }>;

/** Most classes in a profile, and how many of these are kept for the agent's own: arrays and strings of the JDK grow with them. */
const TOP = 10;
const OWN = 3;
/** Classes of the JDK, and arrays of numbers; by name, since JDK 8 has no modules. */
const JDK = /^(?:(?:java|javax|jdk|sun|com\.sun)\.|(?:byte|char|double|float|int|long|short|boolean)\[\])/;

/** `   1:       7249     52762088  [B (java.base@17.0.15)`: rank, instances, bytes, class, module (from JDK 9). */
const ROW = /^\s*\d+:\s+\d+\s+(\d+)\s+(\S+)(?: \(([^)@]+)(?:@[^)]*)?\))?\s*$/gm;
const PRIMITIVES: Readonly<Record<string, string>> = {
  B: 'byte',
  C: 'char',
  D: 'double',
  F: 'float',
  I: 'int',
  J: 'long',
  S: 'short',
  Z: 'boolean',
};

/** Parses `GC.class_histogram`, most bytes first; one cut short gives the classes that came. */
export function parseHistogram(text: string): JvmHistogram {
  const classes = new Map<string, { bytes: number; module: string | null }>();
  for (const [, bytes, name = '', module = null] of text.matchAll(ROW)) {
    const readable = readableClass(name);
    const earlier = classes.get(readable)?.bytes ?? 0; // the same name from two class loaders
    classes.set(readable, { bytes: earlier + Number(bytes), module });
  }
  return classes;
}

/** `[B` → `byte[]`, `[[Ljava.lang.String;` → `java.lang.String[][]`; hidden classes lose their address (`/0x…`). */
function readableClass(name: string): string {
  const depth = /^\[*/.exec(name)?.[0].length ?? 0;
  const element = name.slice(depth);
  const inner = depth === 0 ? element : (PRIMITIVES[element] ?? element.replace(/^L/, '').replace(/;$/, ''));
  return inner.replace(/[/+]0x[0-9a-f]+$/, '') + '[]'.repeat(depth);
}

/** The classes that grew most, then those that are biggest. Kinds of class that were not in `baseline` have grown from nothing. */
export function histogramProfile(now: JvmHistogram, baseline: JvmHistogram): Omit<Profile, 'stallMs'> {
  const sites: Site[] = [...now].map(([name, { bytes, module }]) => ({
    name,
    kind: 'class',
    file: null,
    line: null,
    package: module,
    bytes,
    growthBytes: bytes - (baseline.get(name)?.bytes ?? 0),
  }));
  sites.sort((a, b) => b.growthBytes - a.growthBytes || b.bytes - a.bytes);
  return {
    sites: topOf(sites),
    sampledMs: null,
    file: null,
  };
}

function topOf(sorted: readonly Site[]): Site[] {
  const own = sorted.filter(({ name }) => !JDK.test(name)).slice(0, OWN);
  const chosen = new Set(own);
  for (const site of sorted) if (chosen.size < TOP) chosen.add(site);
  return sorted.filter((site) => chosen.has(site));
}
