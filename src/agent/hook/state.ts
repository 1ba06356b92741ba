import type { HookState } from '../../core/model/hook-messages.ts';
import { FullCollections } from './full-collections.ts';
import { ownHeap } from './own-heap.ts';
import { later, nowMs, quietly, type Waiting } from './quiet.ts';

type Look = Omit<HookState, 'type' | 'lateMs' | 'heap' | 'endsInMs'>;

/** Between two messages while the state changes. */
const EVERY_MS = 100;

/** Tells the guardian how this process does: at once when requests begin or cease to wait, else seldom, never without a change. */
export class StateReporter {
  readonly #look: () => Look;
  readonly #endsInMs: () => number;
  readonly #send: (state: HookState) => void;
  #timer: Waiting | undefined;
  #sentMs = Number.NEGATIVE_INFINITY;
  #waited = false;
  #last = '';
  /** How late the timer of the last message was: as late as everything else in this process. */
  #lateMs = 0;
  readonly #collections = new FullCollections();

  constructor(look: () => Look, endsInMs: () => number, send: (state: HookState) => void) {
    this.#look = look;
    this.#endsInMs = endsInMs;
    this.#send = send;
  }

  /** Something may have changed. */
  changed(waits: boolean): void {
    if (waits !== this.#waited) {
      this.tell();
      return;
    }
    if (this.#timer) return;
    const now = nowMs();
    // by one look at the clock: Node warns the agent of a timer that is due in the past
    const dueMs = Math.max(now, this.#sentMs + EVERY_MS);
    this.#timer = later(dueMs - now, () => {
      this.#timer = undefined;
      this.#lateMs = Math.max(0, nowMs() - dueMs);
      if (JSON.stringify(this.#look()) !== this.#last) this.tell();
    });
  }

  /** Now, whatever it is. */
  tell(): void {
    const state = this.#look();
    this.#last = JSON.stringify(state);
    this.#waited = state.waiting > 0;
    this.#sentMs = nowMs();
    const endsInMs = this.#endsInMs();
    this.#send({ type: 'state', ...state, endsInMs, heap: this.#heap(), lateMs: Math.round(this.#lateMs) });
    this.#lateMs = 0;
  }

  #heap(): HookState['heap'] {
    const heap: HookState['heap'] = ownHeap();
    quietly(() => {
      const left = this.#collections.look(heap);
      if (left) heap.left = left;
    });
    return heap;
  }
}
