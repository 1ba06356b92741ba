import { StringDecoder } from 'node:string_decoder';
import { SpillwayError } from '../../core/lib/errors.ts';
import { SerialQueue } from '../../core/lib/serial-queue.ts';
import type { Collection, HeapFacts, Profile } from '../../core/model/heap.ts';
import { asRuntimeError, type RuntimeClient } from '../../core/ports/runtime-client.ts';
import { createEndpoint, type GoProcess } from './endpoint.ts';
import {
  type GoHeap,
  GoHeapReader,
  type GoSites,
  goHeapFacts,
  goPausesMs,
  goProfile,
  goReturnHint,
} from './parse-heap.ts';
import { getPprof } from './pprof.ts';
import { ageMs, memoryLimitOf } from './process.ts';

/** Time limits in milliseconds. */
export interface GoTimeouts {
  /** Of asking one port whether it serves pprof. Default 500; measured 1–3. */
  probeMs: number;
  /** Of reading the heap's statistics. Default 2,000; measured 2–5. */
  readMs: number;
  /** Of a collection. Default 10,000. */
  collectMs: number;
}

export interface GoReachOptions extends GoProcess {
  timeouts?: Partial<GoTimeouts>;
}

/** A hand in a Go program. */
export interface GoReach extends RuntimeClient {
  readonly runtime: 'go';
  /** What to change where a collection freed heap and returned no pages. */
  returnHint(): string;
  facts(): Promise<HeapFacts | null>;
  profile(): Promise<Profile>;
}

const HEAP = '/debug/pprof/heap';
/** The text is read as it comes and not kept. */
const MAX_TEXT_BYTES = 64 * 1024 * 1024;
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/**
 * A hand in a Go program by the pprof endpoint it serves (`net/http/pprof`). Which ports are asked: those on which the agent
 * itself listens, by its open files, and only in the guardian's network namespace. A port that answers anything but pprof's
 * index is not asked again in this life of the agent, one that does not answer in time twice more.
 *
 * The stall is what Go counted as pauses of the collections. Pages come back in the background: look at RSS after
 * 3 s.
 */
export function createGoClient(options: GoReachOptions): GoReach {
  const { procRoot, pid } = options;
  const { probeMs = 500, readMs = 2000, collectMs = 10_000 } = options.timeouts ?? {};
  const queue = new SerialQueue();
  const endpoint = createEndpoint(options, probeMs);
  let baseline: GoSites | undefined;

  const ask = async (path: string, timeoutMs: number, maxBytes: number, onChunk: (chunk: Buffer) => void) => {
    const socket = await endpoint.socket();
    const answer = await getPprof({ socket, path, timeoutMs, maxBytes, onChunk });
    if ('status' in answer && answer.status === 200) return;
    const what = 'status' in answer ? `status ${answer.status}` : answer.notHttp;
    throw new SpillwayError('refused', `pprof at :${socket.port} answers ${path} with ${what}`);
  };

  const readHeap = async (query: string, timeoutMs: number): Promise<GoHeap> => {
    const reader = new GoHeapReader();
    const lines = lineSplitter((line) => reader.line(line));
    await ask(`${HEAP}?${query}`, timeoutMs, MAX_TEXT_BYTES, lines.add);
    lines.end();
    const heap = reader.end();
    if (!heap) throw new SpillwayError('refused', 'the answer of pprof is not a heap profile');
    return heap;
  };

  const session = <T>(work: () => Promise<T>): Promise<T> =>
    queue.next(async () => {
      try {
        return await work();
      } catch (error) {
        throw asRuntimeError(error);
      }
    });

  return {
    runtime: 'go',
    returnHint: () => goReturnHint(memoryLimitOf(procRoot, pid)),
    facts: () => session(async () => goHeapFacts(await readHeap('debug=1', readMs))),
    collect: (way) =>
      session(async (): Promise<Collection> => {
        const before = await readHeap('debug=1', readMs);
        // twice: the scavenger leaves pages alone that were in use at the last collection (Go 1.26: 340 MB stayed for good
        // after one, 43 were left 2 s after the second)
        await readHeap('gc=1&debug=1', collectMs);
        const after = await readHeap('gc=1&debug=1', collectMs);
        return {
          way,
          before: goHeapFacts(before),
          after: goHeapFacts(after),
          stallMs: goPausesMs(after, before.stats.get('NumGC') ?? 0),
          workers: 0,
        };
      }),
    profile: () =>
      session(async (): Promise<Profile> => {
        // the profile is of the last finished collection: without one it would be minutes old
        const heap = await readHeap('gc=1&debug=1', collectMs);
        baseline ??= heap.sites;
        const file: Buffer[] = [];
        await ask(HEAP, readMs, MAX_FILE_BYTES, (chunk) => file.push(chunk));
        return {
          ...goProfile(heap.sites, baseline),
          sampledMs: ageMs(procRoot, pid), // Go samples from the first instant on
          stallMs: goPausesMs(heap, (heap.stats.get('NumGC') ?? 1) - 1),
          file: { extension: '.pb.gz', content: Buffer.concat(file) },
        };
      }),
    inFlight: async () => null,
    release: async () => {}, // every answer ends its connection
  };
}

/** Splits what comes in pieces into lines; holds no more than one line. */
function lineSplitter(onLine: (line: string) => void) {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  return {
    add: (chunk: Buffer) => {
      const lines = (rest + decoder.write(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    },
    end: () => onLine(rest),
  };
}
