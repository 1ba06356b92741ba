import type { HeapFacts } from '../../core/model/heap.ts';

/** HotSpot's garbage collectors, by the flag `-XX:+Use…GC`. */
export type JvmCollector = 'G1' | 'Serial' | 'Parallel' | 'Z' | 'Shenandoah' | 'ConcMarkSweep' | 'Epsilon';

/** What `VM.flags` tells that matters here. */
export interface JvmFlags {
  collector: JvmCollector | null;
  /** `-Xmx`, or the quarter of the machine or container that the JVM took by itself. */
  maxHeapBytes: number | null;
  /** `-XX:+DisableExplicitGC`: the JVM does nothing when asked to collect. */
  explicitGcDisabled: boolean;
}

/** Parses `VM.flags`: one line of `-XX:+Name`, `-XX:-Name` and `-XX:Name=value`. */
export function parseJvmFlags(text: string): JvmFlags {
  const collector = /-XX:\+Use(G1|Serial|Parallel|Z|Shenandoah|ConcMarkSweep|Epsilon)GC\b/.exec(text)?.[1];
  const max = /-XX:MaxHeapSize=(\d+)/.exec(text)?.[1];
  return {
    collector: (collector as JvmCollector | undefined) ?? null,
    maxHeapBytes: max === undefined ? null : Number(max),
    explicitGcDisabled: text.includes('-XX:+DisableExplicitGC'),
  };
}

const UNITS: Readonly<Record<string, number>> = { B: 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** The forms of `GC.heap_info`, each `[used, committed]` of one part of the heap; parts are added up. */
const FORMS: readonly { pattern: RegExp; used: number; committed: number }[] = [
  // G1 (` garbage-first heap   total 614400K, used 411664K`), Serial, Parallel, CMS; JDK 25 says `total reserved …, committed …`
  {
    pattern: /^\s*\S.*? total (?:reserved \d+[BKMGT], committed )?(\d+[BKMGT]), used (\d+[BKMGT])/gm,
    used: 2,
    committed: 1,
  },
  // ` ZHeap           used 102M, capacity 378M, max capacity 600M`
  { pattern: /^\s*ZHeap\s+used (\d+[BKMGT]), capacity (\d+[BKMGT])/gm, used: 1, committed: 2 },
  // ` 600M max, 600M soft max, 377M committed, 52003K used`
  { pattern: /(\d+[BKMGT]) committed, (\d+[BKMGT]) used/g, used: 2, committed: 1 },
];

/**
 * Parses `GC.heap_info` of JDK 8 to 25.
 * @returns `null` for a form that is not known (Epsilon). Classes' metadata and direct buffers are not in it.
 */
export function parseHeapInfo(text: string, maxHeapBytes: number | null): HeapFacts | null {
  for (const { pattern, used, committed } of FORMS) {
    const parts = [...text.matchAll(pattern)];
    if (parts.length === 0) continue;
    const sum = (group: number) => parts.reduce((total, part) => total + bytesOf(part[group] ?? ''), 0);
    return {
      usedBytes: sum(used),
      committedBytes: sum(committed),
      limitBytes: maxHeapBytes,
      limitedBytes: sum(used),
      externalBytes: null,
    };
  }
  return null;
}

function bytesOf(size: string): number {
  return Number(size.slice(0, -1)) * (UNITS[size.slice(-1)] ?? Number.NaN);
}

/**
 * What to change where the JVM collected and kept the pages. Measured on JDK 17 and 25 with 50 of 250 MB live: no
 * collector goes below `-Xms`, which is 1/64 of the machine when nobody sets it.
 */
export function jvmReturnHint(collector: JvmCollector | null): string {
  switch (collector) {
    case 'G1':
      return 'give the JVM a small -Xms (it returns nothing below that) and -XX:MaxHeapFreeRatio=30; -XX:G1PeriodicGCInterval=10000 returns memory while it is idle';
    case 'Z':
      return 'set -XX:ZUncommitDelay=5 (seconds; the default is 300) and an -Xms below -Xmx';
    case 'Shenandoah':
      return 'set an -Xms below -Xmx: it returns nothing below that';
    case 'Serial':
      return 'run it with -XX:+UseG1GC, or set -Xms16m -XX:MinHeapFreeRatio=10 -XX:MaxHeapFreeRatio=20 -XX:-ShrinkHeapInSteps';
    default:
      return 'run it with -XX:+UseG1GC and a small -Xms: the collector in use keeps its heap';
  }
}
