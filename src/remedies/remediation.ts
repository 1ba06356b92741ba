import { SpillwayError } from '../core/lib/errors.ts';
import type { GcRecord } from '../core/model/gc-record.ts';
import type { GrowthReport } from '../core/model/growth-report.ts';
import { ratioOf } from '../core/model/reading.ts';
import type { DeathCause } from '../core/model/status.ts';
import type { AgentProcess, Remediation, Situation } from '../core/ports/ports.ts';
import type { SnapshotFile } from './heap-snapshot.ts';
import type { Recycler } from './recycler.ts';
import { RuntimeSession } from './session.ts';
import type { SessionDeps } from './session-deps.ts';

/** From this share of the limit on, pressure may come. */
const PREPARE_FROM = 0.4;
const HASTE_SECONDS = 0.3;

/** What is done about pressure over all lives of the agent, and what may be asked for from outside. */
export class PressureRemediation implements Remediation {
  readonly #deps: SessionDeps;
  readonly #recycler: Recycler;
  readonly #prepare: () => Promise<unknown>;
  #prepared = false;
  #care: RuntimeSession | undefined;

  /** @param prepare loads what reaches into the agent */
  constructor(deps: SessionDeps, recycler: Recycler, prepare: () => Promise<unknown>) {
    this.#prepare = prepare;
    this.#deps = deps;
    this.#recycler = recycler;
  }

  follow(life: AgentProcess | undefined): void {
    void this.#care?.end();
    this.#care = life && new RuntimeSession(life, this.#deps);
    this.#recycler.follow(life);
  }

  attend(situation: Situation): void {
    if (!this.#ready(situation)) return;
    this.#care?.attend(situation);
    if (this.#care) this.#recycler.attend(situation, this.#care);
  }

  /** Whether the agent was sent SIGTERM in this life, or in the one that has just ended. */
  get terminated() {
    return this.#recycler.terminated;
  }
  get heap() {
    return this.#care?.heap ?? null;
  }
  get reclaimOutlook() {
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

  ended(cause: DeathCause): string | undefined {
    return this.#deps.ended(cause);
  }

  /**
   * What reaches into the agent is loaded before it is needed, and not in a burst: loading it holds up the loop for some
   * 20 ms, which is half of what the fastest burst takes from the warning level to the kill, and collecting comes too late then.
   */
  #ready({ reading, outlook: { secondsToLimit } }: Situation): boolean {
    if (this.#prepared) return true;
    if (secondsToLimit !== null && secondsToLimit < HASTE_SECONDS) return false;
    if (ratioOf(reading) >= PREPARE_FROM) {
      this.#prepared = true;
      this.#prepare().catch(() => {}); // asked for again, and told, when it is needed
    }
    return true;
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
  async snapshot(file: SnapshotFile): Promise<void> {
    return this.#present().snapshotNow(file);
  }

  /** Somebody else ends the agent: it is not ended from here. */
  standBack(why: string): void {
    this.#recycler.standBack(why);
  }

  /** Lets everything go as it was found: three seconds at most. */
  async close(): Promise<void> {
    this.#recycler.end();
    await this.#care?.end();
  }

  #present(): RuntimeSession {
    if (!this.#care) throw new SpillwayError('unavailable', 'there is no agent now');
    return this.#care;
  }
}
