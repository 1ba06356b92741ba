import { getHeapStatistics } from 'node:v8';
import type { MemoryMessage } from '../../core/model/hook-messages.ts';
import type { GateMemory, GateUse } from '../../core/pressure/gate/memory-room.ts';

/** What the guardian said last, kept up to date between two messages by this process' own growth. */
export class AgentMemory {
  #said: { message: MemoryMessage; rssBytes: number } | undefined;

  /** What the guardian says. */
  hear(message: MemoryMessage): void {
    this.#said = { message, rssBytes: process.memoryUsage.rss() };
  }

  /** Memory now; `null` before anything was heard. Takes some 20 µs. */
  now(): GateMemory | null {
    if (!this.#said) return null;
    const { message, rssBytes } = this.#said;
    const { limitBytes, shedRatio, criticalRatio } = message;
    const usedBytes = Math.max(0, message.usedBytes + process.memoryUsage.rss() - rssBytes);
    return { uses: [{ usedBytes, limitBytes }, ...heapUse(limitBytes)], shedRatio, criticalRatio };
  }
}

/** The heap against its own limit, where that comes before the container's. */
export function heapUse(limitBytes: number): GateUse[] {
  const { used_heap_size: usedBytes, heap_size_limit: heapLimitBytes } = getHeapStatistics();
  return heapLimitBytes < limitBytes ? [{ usedBytes, limitBytes: heapLimitBytes }] : [];
}
