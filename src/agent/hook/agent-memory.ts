import type { MemoryMessage } from '../../core/model/hook-messages.ts';
import type { GateMemory } from '../../core/pressure/gate/memory-room.ts';
import { HeapFloor } from './heap-floor.ts';
import { OwnGrowth } from './own-growth.ts';
import { nowMs } from './quiet.ts';

/** What the guardian said last, kept up to date between two messages by this process' own growth. */
export class AgentMemory {
  readonly #heap = new HeapFloor();
  readonly #growth = new OwnGrowth();
  #said: { message: MemoryMessage; rssBytes: number } | undefined;

  /** What the guardian says. */
  hear(message: MemoryMessage): void {
    this.#look();
    this.#said = { message, rssBytes: this.#growth.rssAt(message.atMs) };
  }

  /** Memory now; `null` before anything was heard. Takes some 20 µs. */
  now(): GateMemory | null {
    if (!this.#said) return null;
    const { message, rssBytes } = this.#said;
    const { limitBytes, shedRatio, criticalRatio } = message;
    const usedBytes = Math.max(0, message.usedBytes + this.#look() - rssBytes);
    const heap = this.#heap.use(limitBytes, nowMs());
    return { uses: [{ usedBytes, limitBytes }, ...heap], shedRatio, criticalRatio };
  }

  #look(): number {
    const rssBytes = process.memoryUsage.rss();
    this.#growth.add({ atMs: nowMs(), rssBytes });
    return rssBytes;
  }
}
