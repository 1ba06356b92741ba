import { SpillwayError } from '../../core/lib/errors.ts';
import { SerialQueue } from '../../core/lib/serial-queue.ts';
import type { Collection, HeapFacts, Profile } from '../../core/model/heap.ts';
import { asRuntimeError, goneError, type RuntimeClient } from '../../core/ports/runtime-client.ts';
import { startListener } from './attach.ts';
import { socketExists, socketOf, stoppedMs } from './files.ts';
import { type JvmFlags, jvmReturnHint, parseHeapInfo, parseJvmFlags } from './parse-heap.ts';
import { histogramProfile, type JvmHistogram, parseHistogram } from './parse-histogram.ts';
import { jcmd, nobodyListens } from './protocol.ts';
import { findJvm, type Ids, isSame, type JvmTarget } from './target.ts';

/** Time limits in milliseconds. */
export interface JvmTimeouts {
  /** From SIGQUIT to the socket. Default 3,000; measured 20–60. */
  attachMs: number;
  /** A command that only reads. Default 2,000; measured 1–5. */
  readMs: number;
  /** A collection or a histogram. Default 10,000. */
  collectMs: number;
}

export interface JvmReachOptions {
  /** `/proc` of the guardian's own pid namespace: `pid` is also whom SIGQUIT goes to. */
  procRoot: string;
  pid: number;
  /** Clock ticks since boot (field 22 of `stat`); without it the process found at the first call counts. */
  startTime?: number;
  timeouts?: Partial<JvmTimeouts>;
  /** Whether SIGQUIT may be sent now to a JVM whose socket is not open. Default: always. */
  maySignal?(): boolean;
}

/** A hand in a JVM. */
export interface JvmReach extends RuntimeClient {
  readonly runtime: 'jvm';
  /** What to change where a collection freed heap and returned no pages; known after the first call that got in. */
  returnHint(): string | null;
  facts(): Promise<HeapFacts | null>;
  profile(): Promise<Profile>;
}

/** A JVM that did not open its socket prints all its threads at each SIGQUIT: that is not done to it again and again. */
const MAX_SIGNALS = 2;

/**
 * A hand in a HotSpot JVM by its attach protocol, as `jcmd` does it and without a JDK: `GC.run`, `GC.heap_info`,
 * `GC.class_histogram`. The socket that the JVM opens at the first call stays until it ends, as after any `jcmd`.
 *
 * Needs the agent's uid and gid, or root. SIGQUIT is sent only to a process with libjvm.so that catches it and is past its
 * start; not at all where the socket is there (also with `-Xrs`, where the JVM opens it by itself).
 *
 * The stall is what the JVM counted as time at safepoints; under `-XX:-UsePerfData` the whole time
 * the command took, which is too much for the collectors that work beside the program (ZGC, Shenandoah).
 */
export function createJvmClient(options: JvmReachOptions): JvmReach {
  const { procRoot, pid } = options;
  const { attachMs = 3000, readMs = 2000, collectMs = 10_000 } = options.timeouts ?? {};
  const queue = new SerialQueue();
  let known: { target: JvmTarget; flags: JvmFlags } | undefined;
  let startTime = options.startTime;
  let signals = 0;
  let baseline: JvmHistogram | undefined;

  const ask = async (target: JvmTarget, command: string, timeoutMs: number): Promise<string> => {
    if (!isSame(target)) throw goneError(pid);
    return await jcmd(socketOf(target), command, timeoutMs);
  };

  const flagsOf = async (target: JvmTarget) => parseJvmFlags(await ask(target, 'VM.flags', readMs));

  const attach = async (): Promise<{ target: JvmTarget; flags: JvmFlags }> => {
    const target = findJvm(procRoot, pid, startTime, ownIds());
    startTime = target.startTime;
    if (socketExists(target)) {
      try {
        return { target, flags: await flagsOf(target) };
      } catch (error) {
        // a socket left by an earlier process with this pid: the JVM makes it anew
        if (!nobodyListens(error)) throw error;
      }
    }
    if (options.maySignal?.() === false)
      throw new SpillwayError(
        'deferred',
        `the socket of JVM ${pid} is not open, and SIGQUIT is not due yet`,
        {
          retryable: true,
        },
      );
    if (signals >= MAX_SIGNALS)
      throw new SpillwayError('refused', `the JVM did not open its socket after ${signals} SIGQUIT signals`);
    await startListener(target, attachMs, () => signals++);
    return { target, flags: await flagsOf(target) };
  };

  /** One call from outside: attached, alone, and with a second try where the socket vanished since the last. */
  const session = <T>(work: (target: JvmTarget, flags: JvmFlags) => Promise<T>): Promise<T> =>
    queue.next(async () => {
      for (let last = false; ; last = true) {
        try {
          known ??= await attach();
          return await work(known.target, known.flags);
        } catch (error) {
          const vanished = nobodyListens(error);
          if (vanished) known = undefined;
          if (last || !vanished) throw asRuntimeError(error);
        }
      }
    });

  const heap = async (target: JvmTarget, flags: JvmFlags) =>
    parseHeapInfo(await ask(target, 'GC.heap_info', readMs), flags.maxHeapBytes);

  /** Runs a command that stops the program; tells for how long. */
  const stopping = async (target: JvmTarget, command: string) => {
    const before = stoppedMs(target);
    const startMs = performance.now();
    const output = await ask(target, command, collectMs);
    const tripMs = performance.now() - startMs;
    const after = stoppedMs(target);
    return { output, stallMs: before === null || after === null ? tripMs : after - before };
  };

  return {
    runtime: 'jvm',
    returnHint: () => (known ? jvmReturnHint(known.flags.collector) : null),
    facts: () => session(heap),
    collect: (way) =>
      session(async (target, flags): Promise<Collection> => {
        if (flags.explicitGcDisabled)
          throw new SpillwayError('refused', 'the JVM runs with -XX:+DisableExplicitGC', {
            hint: 'remove -XX:+DisableExplicitGC',
          });
        const before = await heap(target, flags);
        const { stallMs } = await stopping(target, 'GC.run');
        return { way, before, after: await heap(target, flags), stallMs, workers: 0 };
      }),
    profile: () =>
      session(async (target): Promise<Profile> => {
        const { output, stallMs } = await stopping(target, 'GC.class_histogram');
        const now = parseHistogram(output);
        baseline ??= now;
        return { ...histogramProfile(now, baseline), stallMs };
      }),
    release: async () => {}, // nothing is held open between calls
  };
}

function ownIds(): Ids {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}
