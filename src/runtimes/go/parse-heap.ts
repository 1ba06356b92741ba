import type { HeapFacts, Profile, Site } from '../../core/model/heap.ts';

/** What Go's runtime tells of itself at the end of a heap profile (`runtime.MemStats`), by field. */
export type GoMemStats = ReadonlyMap<string, number>;

/** Where Go's allocations were made and are still held, by function and line. */
export type GoSites = ReadonlyMap<string, Site>;

/** A heap profile, read. */
export interface GoHeap {
  stats: GoMemStats;
  /** Pauses of the last 256 collections in nanoseconds, as a ring: collection N (from 1) is at `(N + 255) % 256`. */
  pausesNs: readonly number[];
  sites: GoSites;
}

/** Most sites in a profile. */
const TOP = 10;

/** `runtime`, `encoding/json`, …: the first element of every package path of Go's standard library (Go 1.26). */
const STANDARD = new Set(
  'archive bufio bytes cmp compress container context crypto database debug embed encoding errors expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin reflect regexp runtime simd slices sort strconv strings structs sync syscall testing text time unicode unique unsafe vendor weak'.split(
    ' ',
  ),
);

/**
 * Reads `/debug/pprof/heap?debug=1` line by line, so that a profile of any size costs only its sites:
 *
 *     heap profile: 4: 8396800 [6: 8400000] @ heap/1048576
 *     1: 4194304 [1: 4194304] @ 0x4a1b2c 0x43a5c7
 *     #	0x4a1b2b	main.remember+0x4b	/src/agent/main.go:12
 *     # HeapAlloc = 8396800
 *
 * In use: objects and bytes of one stack as sampled, then its frames, innermost first. The header holds twice the sampling rate.
 */
export class GoHeapReader {
  readonly #stats = new Map<string, number>();
  readonly #sites = new Map<string, Site>();
  #pausesNs: number[] = [];
  #rate = 0;
  #bytes = 0;
  #frames: Frame[] = [];

  line(text: string): void {
    const frame = /^#\t0x[0-9a-f]+\s+(\S.*?)\+0x[0-9a-f]+\s+(\S.*):(\d+)$/.exec(text);
    if (frame) {
      const [, name = '', file = '', line = ''] = frame;
      if (this.#bytes > 0) this.#frames.push({ name, file, line: Number(line) });
      return;
    }
    const record = /^(\d+): (\d+) \[\d+: \d+\] @/.exec(text);
    if (record) {
      this.#endRecord();
      this.#bytes = scaled(Number(record[1]), Number(record[2]), this.#rate);
      return;
    }
    const stat = /^# (\w+) = (.+)$/.exec(text);
    if (stat?.[1] === 'PauseNs') this.#pausesNs = (stat[2] ?? '').match(/\d+/g)?.map(Number) ?? [];
    else if (stat) this.#stats.set(stat[1] ?? '', Number.parseFloat(stat[2] ?? ''));
    else if (text.startsWith('heap profile:'))
      this.#rate = Number(/ @ heap\/(\d+)$/.exec(text)?.[1] ?? 0) / 2;
  }

  /** @returns `null` when what was read is no heap profile, or not all of it */
  end(): GoHeap | null {
    this.#endRecord();
    // the last lines of the statistics: with these, all the others are there
    if (!this.#stats.has('HeapAlloc') || !this.#stats.has('NumGC')) return null;
    return { stats: this.#stats, pausesNs: this.#pausesNs, sites: this.#sites };
  }

  #endRecord(): void {
    const frame = responsible(this.#frames);
    if (frame) {
      const key = `${frame.name} ${frame.file}:${frame.line}`;
      const bytes = (this.#sites.get(key)?.bytes ?? 0) + this.#bytes;
      this.#sites.set(key, { ...siteOf(frame), bytes, growthBytes: 0 });
    }
    this.#frames = [];
    this.#bytes = 0;
  }
}

interface Frame {
  name: string;
  file: string;
  line: number;
}

/** Bytes of which a sample stands for, as pprof scales: an allocation of size s is sampled with the chance 1 − e^(−s/rate). */
function scaled(count: number, bytes: number, rate: number): number {
  if (count === 0 || bytes === 0) return 0;
  return rate <= 1 ? bytes : Math.round(bytes / (1 - Math.exp(-bytes / count / rate)));
}

/** The innermost frame outside of Go's own packages: `append` and `bytes.Buffer` are not what grew, their callers are. */
function responsible(frames: readonly Frame[]): Frame | undefined {
  return frames.find(({ name }) => !STANDARD.has(packageOf(name).split('/')[0] ?? '')) ?? frames[0];
}

/** `github.com/x/y.(*T).Do` → `github.com/x/y`: the path ends at the first point after the last slash. */
function packageOf(name: string): string {
  const bracket = name.indexOf('['); // type arguments hold paths of their own
  const plain = bracket < 0 ? name : name.slice(0, bracket);
  const point = plain.indexOf('.', plain.lastIndexOf('/') + 1);
  return point < 0 ? plain : plain.slice(0, point);
}

function siteOf({ name, file, line }: Frame): Omit<Site, 'bytes' | 'growthBytes'> {
  return { name, kind: 'function', file, line, package: moduleOf(name, file) };
}

/** `…/pkg/mod/github.com/!azure/x@v1.2.3/y.go` → `github.com/Azure/x`; a vendored file gives its package, the agent's own nothing. */
function moduleOf(name: string, file: string): string | null {
  const module = /^(?:.*\/pkg\/mod\/)?([^@]+)@v[^/]+\//.exec(file)?.[1];
  if (module) return module.replace(/!([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const path = packageOf(name);
  return file.includes('/vendor/') || STANDARD.has(path.split('/')[0] ?? '') ? path : null;
}

/** Go's heap: it has no limit at which it gives up (`GOMEMLIMIT` only makes it collect more). Goroutine stacks are not in it. */
export function goHeapFacts({ stats }: GoHeap): HeapFacts {
  const usedBytes = stats.get('HeapAlloc') ?? 0;
  return {
    usedBytes,
    committedBytes: (stats.get('HeapSys') ?? 0) - (stats.get('HeapReleased') ?? 0),
    limitBytes: null,
    limitedBytes: usedBytes,
    externalBytes: null,
  };
}

/** Milliseconds for which the program was paused in the collections after number `sinceGc` up to this profile. */
export function goPausesMs({ stats, pausesNs }: GoHeap, sinceGc: number): number {
  const last = stats.get('NumGC') ?? 0;
  let ns = 0;
  for (let gc = Math.max(sinceGc, last - pausesNs.length) + 1; gc <= last; gc++)
    ns += pausesNs[(gc + 255) % 256] ?? 0;
  return ns / 1e6;
}

/** The sites that grew most, then those that hold most. */
export function goProfile(now: GoSites, baseline: GoSites): Pick<Profile, 'sites'> {
  const sites = [...now].map(([key, site]) => ({
    ...site,
    growthBytes: site.bytes - (baseline.get(key)?.bytes ?? 0),
  }));
  sites.sort((a, b) => b.growthBytes - a.growthBytes || b.bytes - a.bytes);
  return { sites: sites.slice(0, TOP) };
}

/**
 * What to change where Go collected and kept the pages for more than a few seconds.
 * @param memoryLimit `GOMEMLIMIT` of the agent's environment
 */
export function goReturnHint(memoryLimit: string | undefined): string {
  return memoryLimit
    ? 'lower GOMEMLIMIT: above it Go returns pages at once, below it in the background'
    : "set GOMEMLIMIT to 90 % of the container's limit: above it Go returns pages at once";
}
