import { createHash } from 'node:crypto';
import { random } from '../../support/memory-stories.ts';
import { AGENTS, KINDS, type Kind, type KindName, SDKS, type Sdk } from './kinds.ts';
import type { Load } from './load.ts';

/** Loads of one seed: of each kind three, one on each SDK, and one of the three for three replicas. */
export const DRAWN = 24;
/** Seeds are below. */
export const SEEDS = 2 ** 32;
const FLEET = 3;
const NAMES = Object.keys(KINDS) as KindName[];

export interface DrawnLoad extends Load {
  /** From 0. */
  index: number;
  kind: KindName;
  sdk: Sdk;
  /** What was drawn between bounds. */
  drawn: Readonly<Record<string, number>>;
  /** Size of a page, document or index; 0 where the kind has none. */
  bytes: number;
}

/** The loads of a seed. The first eight are one of each kind; each load is drawn from the seed and its index alone. */
export const drawLoads = (seed: number): DrawnLoad[] =>
  Array.from({ length: DRAWN }, (_, index) => drawLoad(seed, index));

function drawLoad(seed: number, index: number): DrawnLoad {
  const name = kindOf(seed, index);
  const kind: Kind = KINDS[name];
  const block = Math.floor(index / NAMES.length);
  const next = stream(seed, index);
  const oneOf = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const replicas = shuffled([FLEET, 1, 1], seed, `${name} replicas`)[block] ?? 1;
  const sdk = shuffled(SDKS, seed, `${name} SDK`)[block] ?? 'openai';
  const limitMiB = oneOf(replicas === 1 ? kind.limitsMiB : kind.limitsOfThreeMiB);
  const graceful = next() < 0.5;
  const drawn = Object.fromEntries(
    Object.entries(kind.ranges).map(([key, [least, most, whole]]) => {
      const value = least + next() * (most - least);
      return [key, whole ? Math.round(value) : rounded(value)];
    }),
  );
  const place = { sdk, limitMiB, replicas, seconds: kind.seconds };
  const bytes = Math.round(kind.bytes(drawn, place));
  const heapMiB = kind.heapMiB?.(limitMiB);
  return {
    index,
    kind: name,
    sdk,
    drawn,
    bytes,
    limitMiB,
    replicas,
    agent: AGENTS[sdk],
    options: { keep: kind.keep, graceful },
    nodeFlags: heapMiB === undefined ? [] : [`--max-old-space-size=${heapMiB}`],
    about: [
      `#${index} ${name}: ${sdk}`,
      `${replicas} × ${limitMiB} MiB`,
      graceful ? 'SIGTERM handled' : 'no SIGTERM handler',
      ...(heapMiB === undefined ? [] : [`heap limit ${heapMiB} MiB`]),
      ...Object.entries(drawn).map(([key, value]) => `${key} ${value}`),
      ...(bytes > 0 ? [`${(bytes / 1e6).toFixed(3)} MB each`] : []),
    ].join(', '),
    arrivals: (workspace) => kind.arrivals(drawn, bytes, { ...place, workspace }),
  };
}

/** Each block of as many loads as there are kinds holds all of them, in an order of its own. */
function kindOf(seed: number, index: number): KindName {
  const block = Math.floor(index / NAMES.length);
  return shuffled(NAMES, seed, `block ${block}`)[index % NAMES.length] ?? 'growth';
}

function shuffled<T>(list: readonly T[], seed: number, salt: string): T[] {
  const next = stream(seed, salt);
  const keyed = list.map((value) => ({ value, key: next() }));
  return keyed.toSorted((a, b) => a.key - b.key).map(({ value }) => value);
}

/** Numbers of their own for each salt. */
function stream(seed: number, salt: number | string): () => number {
  const digest = createHash('sha256').update(`${seed} ${salt}`).digest();
  return random(digest.readUInt32LE());
}

/** Three digits, so that a title says exactly what was drawn. */
const rounded = (value: number): number => Number(value.toPrecision(3));
