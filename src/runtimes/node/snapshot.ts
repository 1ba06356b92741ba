import { SerialQueue } from '../../core/lib/serial-queue.ts';
import type { InspectorSession } from '../../core/ports/inspector.ts';

/** Taking it and writing it together: minutes where the heap is big and the disk slow. */
const TIMEOUT_MS = 300_000;
/** So many characters may wait to be written before the connection is paused: a chunk has 100 Ki of them on Node 20, 1 Mi on 24. */
const MAX_WAITING = 800 * 1024;

/**
 * Streams a heap snapshot of the agent's main isolate as Chrome DevTools opens it (`.heapsnapshot`). Stops the agent
 * for seconds and multiplies its memory: ask `snapshotRoom` first. V8 cannot be stopped once it has begun.
 * @param write resolves when more may come; what it throws ends the writing and is thrown on
 * @throws SpillwayError
 */
export async function takeSnapshot(
  session: InspectorSession,
  write: (chunk: string) => Promise<void>,
  timeoutMs = TIMEOUT_MS,
): Promise<void> {
  let failure: { cause: unknown } | undefined;
  let waiting = 0;
  const queue = new SerialQueue();
  const writeNext = async (chunk: string) => {
    try {
      if (!failure) await write(chunk);
    } catch (cause) {
      failure = { cause };
    }
    waiting -= chunk.length;
    if (waiting < MAX_WAITING / 2) session.resume();
  };
  const end = session.on<{ chunk: string }>('HeapProfiler.addHeapSnapshotChunk', ({ chunk }) => {
    waiting += chunk.length;
    if (waiting >= MAX_WAITING) session.pause();
    queue.start(() => writeNext(chunk));
  });
  try {
    await session.send('HeapProfiler.takeHeapSnapshot', { reportProgress: false }, timeoutMs);
    await queue.running;
  } finally {
    end();
    session.resume();
  }
  if (failure) throw failure.cause;
}
