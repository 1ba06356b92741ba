import { SpillwayError } from '../core/lib/errors.ts';
import type { Finding } from '../core/model/events.ts';
import type { GcRecord } from '../core/model/gc-record.ts';
import type { GrowthReport } from '../core/model/growth-report.ts';
import { memoryRatio } from '../core/model/reading.ts';
import type { RemedyStatus } from '../core/model/remedy.ts';
import type { DeathCause } from '../core/model/status.ts';
import type { AgentProcess, Remediation, Remedy, Situation } from '../core/ports/ports.ts';
import { gcStatus } from './gc-records.ts';
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
  readonly #others: readonly Remedy[];
  /** Those that find and drain, in the order in which they are tried. */
  readonly #remedies: readonly Pick<Remedy, 'findings' | 'draining'>[];
  #found: Finding[] = [];
  #prepared = false;
  #session: RuntimeSession | undefined;

  /**
   * @param prepare loads what connects to the agent's runtime
   * @param others remedies beside collections and the recycling
   */
  constructor(
    deps: Omit<SessionDeps, 'report'>,
    recycler: Recycler,
    prepare: () => Promise<unknown>,
    others: readonly Remedy[] = [],
  ) {
    this.#prepare = prepare;
    this.#deps = { ...deps, report: (finding) => void this.#found.push(finding) };
    this.#recycler = recycler;
    this.#others = others;
    this.#remedies = [...others, recycler];
  }

  follow(agent: AgentProcess | undefined): void {
    void this.#session?.end();
    this.#session = agent && new RuntimeSession(agent, this.#deps);
    this.#recycler.follow(agent);
  }

  attend(situation: Situation): void {
    for (const remedy of this.#others) remedy.attend(situation);
    if (!this.#ready(situation)) return;
    this.#session?.attend(situation, this.#recycler.ending);
    if (this.#session) this.#recycler.attend(situation, this.#session);
  }

  findings(): Finding[] {
    const found = this.#found;
    this.#found = [];
    for (const remedy of this.#remedies) found.push(...remedy.findings());
    return found;
  }

  draining(): string | null {
    for (const remedy of this.#remedies) {
      const why = remedy.draining();
      if (why !== null) return why;
    }
    return null;
  }

  get crowded(): boolean {
    return this.#others.some(({ crowded }) => crowded);
  }

  remedies(): RemedyStatus[] {
    const idle = gcStatus(this.#deps.options.gc === 'off' ? 'off' : 'idle', { code: 'no_agent' });
    return [
      this.#session?.gc ?? idle,
      ...this.#others.map((remedy) => remedy.status()),
      this.#recycler.status(),
    ];
  }

  /** A drained agent refuses what comes: its clients had the time to notice that it is un-ready. */
  get refuses(): boolean {
    return this.draining() !== null && this.#recycler.noticed;
  }

  /** Whether the agent was sent SIGTERM in this life, or in the one that has just ended. */
  get terminated() {
    return this.#recycler.terminated;
  }
  get heap() {
    return this.#session?.heap ?? null;
  }
  get reclaimOutlook() {
    const outlook = this.#session?.reclaimOutlook;
    return outlook && this.#recycler.awaits ? { ...outlook, collecting: true } : outlook;
  }
  get lastGc() {
    return this.#session?.lastGc;
  }
  get growth() {
    return this.#session?.growth;
  }
  get restartDelaySeconds() {
    return this.#recycler.restartDelaySeconds;
  }
  get advice() {
    return this.#session?.advice ?? [];
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
    if (memoryRatio(reading) >= PREPARE_FROM) {
      this.#prepared = true;
      this.#prepare().catch(() => {}); // asked for again, and told, when it is needed
    }
    return true;
  }

  /** Requests in flight in the agent; `null` where that is not known. Never rejects. */
  async inFlight(): Promise<number | null> {
    return (await this.#session?.countInFlight()) ?? null;
  }

  /** Collects now. @throws SpillwayError `busy` or `unavailable` */
  async collect(): Promise<GcRecord> {
    return this.#context().collectNow();
  }

  /** What grew, sampled for `seconds` more. @throws SpillwayError `busy` or `unavailable` */
  async profile(seconds: number): Promise<GrowthReport & { file: string | null }> {
    return this.#context().profileNow(seconds);
  }

  /** Streams a heap snapshot. @throws SpillwayError `busy` or `unavailable` */
  async snapshot(file: SnapshotFile): Promise<void> {
    return this.#context().snapshotNow(file);
  }

  /** Somebody else ends the agent: it is not ended from here. */
  standBack(why: string): void {
    this.#recycler.standBack(why);
  }

  /** Lets everything go as it was found: three seconds at most. */
  async close(): Promise<void> {
    this.#recycler.end();
    await Promise.all([this.#session?.end(), ...this.#others.map((remedy) => remedy.end())]);
  }

  #context(): RuntimeSession {
    if (!this.#session) throw new SpillwayError('unavailable', 'there is no agent');
    return this.#session;
  }
}
