import { Care, type CareDeps } from './care.ts';
import { SpillwayError } from './core/errors.ts';
import type { GcRecord } from './core/gc-record.ts';
import type { GrowthReport } from './core/growth-report.ts';
import type { AgentLife, Relief, Situation } from './core/ports.ts';
import type { Recycler } from './recycler.ts';

/** What is done about pressure over all lives of the agent, and what may be asked for from outside. */
export class PressureRelief implements Relief {
  readonly #deps: CareDeps;
  readonly #recycler: Recycler;
  #care: Care | undefined;

  constructor(deps: CareDeps, recycler: Recycler) {
    this.#deps = deps;
    this.#recycler = recycler;
  }

  follow(life: AgentLife | undefined): void {
    void this.#care?.end();
    this.#care = life && new Care(life, this.#deps);
    this.#recycler.follow(life);
  }

  attend(situation: Situation): void {
    this.#care?.attend(situation);
    if (this.#care) this.#recycler.attend(situation, this.#care);
  }

  get heap() {
    return this.#care?.heap ?? null;
  }
  get hope() {
    return this.#care?.hope;
  }
  get lastGc() {
    return this.#care?.lastGc;
  }
  get growth() {
    return this.#care?.growth;
  }
  get advice() {
    return this.#care?.advice ?? [];
  }

  /** Collects now. @throws SpillwayError `busy` or `unavailable` */
  async collect(): Promise<GcRecord> {
    return this.#present().collectNow();
  }

  /** What grew, sampled for `seconds` more. @throws SpillwayError `busy` or `unavailable` */
  async profile(seconds: number): Promise<GrowthReport & { file: string | null }> {
    return this.#present().profileNow(seconds);
  }

  /** Streams a heap snapshot. @throws SpillwayError `busy` or `unavailable` */
  async snapshot(write: (chunk: string) => Promise<void>): Promise<void> {
    return this.#present().snapshotNow(write);
  }

  /** Lets everything go as it was found: three seconds at most. */
  async close(): Promise<void> {
    this.#recycler.end();
    await this.#care?.end();
  }

  #present(): Care {
    if (!this.#care) throw new SpillwayError('unavailable', 'there is no agent now');
    return this.#care;
  }
}
