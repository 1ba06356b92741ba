import { messageOf, SpillwayError } from '../core/lib/errors.ts';
import type { GrowthReport } from '../core/model/growth-report.ts';
import type { HeapFacts, Profile } from '../core/model/heap.ts';
import { unreclaimableBytes } from '../core/model/reading.ts';
import type { Level } from '../core/model/status.ts';
import type { Situation } from '../core/ports/ports.ts';
import type { RuntimeClient } from '../core/ports/runtime-client.ts';
import { atLeast } from '../core/pressure/level.ts';
import { growthKinds, type MemoryFacts, plainSite } from '../core/report/growth-breakdown.ts';
import type { SessionParts } from './session-parts.ts';
import { within } from './waiting.ts';

/** A reading stops the agent as a collection does: the first one after so much growth (of the limit) since sampling began … */
const NAME_AFTER = { share: 0.02, ms: 500 };
/** … and each further one after so much since the last, and not sooner than this, or when the level has risen. */
const NAME_AGAIN = { share: 0.05, ms: 30_000 };
const RETRY_MS = 30_000;
/** A directory that does not answer must not hold up the next collection. */
const KEEP_MS = 5000;

type ProfilingReach = RuntimeClient & Required<Pick<RuntimeClient, 'profile'>>;

interface Sampling {
  /** It ends with the connection that began it. */
  client: RuntimeClient;
  /** The beginning, or the last reading: when it was, and what was held. */
  sinceMs: number;
  heldBytes: number;
  level: Level;
  read: boolean;
}

/** From the warning level on: allocations are sampled, and what grew gets its name. */
export class HeapProfiler {
  #report: GrowthReport | undefined;

  readonly #parts: SessionParts;
  /** When things were still calm: growth is measured against it. */
  #baseline: MemoryFacts | undefined;
  #sampling: Sampling | undefined;
  #reported = false;
  #retryMs = Number.NEGATIVE_INFINITY;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  get report(): GrowthReport | undefined {
    return this.#report;
  }

  attend(situation: Situation): void {
    if (!this.#baseline && situation.processes.length > 0) this.#baseline = this.#memory(situation, null);
  }

  /** Takes in the first look there was at the heap: native growth can only be measured against the same moment. */
  see(facts: HeapFacts): void {
    if (this.#baseline && !this.#baseline.heap)
      this.#baseline = {
        ...this.#memory(this.#parts.context.situation, facts),
        processes: this.#baseline.processes,
      };
  }

  /**
   * Begins to sample, or reads, when that is due. What grows may stay without a name.
   * @throws SpillwayError only where the connection is kept for a more serious moment
   */
  async follow(client: RuntimeClient, heap: HeapFacts | null): Promise<void> {
    const { options, clock, log } = this.#parts;
    const { level } = this.#parts.context.situation;
    if (options.profile === 'off' || !canProfile(client) || !atLeast(level, 'warning')) return;
    if (clock.now() < this.#retryMs) return;
    try {
      if (this.#sampling?.client !== client) await this.start();
      else if (this.#isDue(this.#sampling, heap)) await this.read();
    } catch (error) {
      if (this.#parts.context.over) return;
      if (error instanceof SpillwayError && error.code === 'deferred') throw error; // the moment for it has not come
      this.#retryMs = clock.now() + RETRY_MS;
      this.#sampling = undefined;
      log('warn', `no growth profile: ${messageOf(error)}`);
    }
  }

  /** Begins to sample, unless it does. @throws SpillwayError, SpillwayError `unavailable` */
  async start(): Promise<void> {
    const client = await this.#open();
    if (this.#sampling?.client === client) return;
    await client.startProfile?.();
    this.#sampling = { client, ...this.#now(), read: false };
  }

  /** Names what grew. @throws SpillwayError, SpillwayError `unavailable` */
  async read(): Promise<GrowthReport & { file: string | null }> {
    const { clock, stalled, keep } = this.#parts;
    const client = await this.#open();
    const facts = await client.facts();
    this.#parts.context.check();
    const profile = await this.#parts.connection.occupy(client.profile());
    stalled(profile.stallMs);
    this.#parts.context.check();
    const { situation } = this.#parts.context;
    this.#parts.plan.looked(
      facts?.usedBytes ?? unreclaimableBytes(situation.reading),
      profile.stallMs,
      clock.now(),
    );
    if (this.#sampling?.client === client) this.#sampling = { client, ...this.#now(), read: true };
    const growth = this.#name(profile, this.#memory(situation, facts));
    this.#report = growth;
    if (!this.#reported && atLeast(situation.level, 'warning') && growth.kinds.length > 0) {
      this.#reported = true;
      this.#parts.report({ reason: 'MemoryGrowthNamed', note: growth.note });
    }
    const file = profile.file && (await within(clock, KEEP_MS, keep(profile.file)));
    return { ...growth, file: file ?? null };
  }

  async #open(): Promise<ProfilingReach> {
    const client = await this.#parts.connection.open();
    if (canProfile(client)) return client;
    throw new SpillwayError('unavailable', `no growth profile of ${client.runtime} agents`);
  }

  #now(): Pick<Sampling, 'sinceMs' | 'heldBytes' | 'level'> {
    const { level, reading } = this.#parts.context.situation;
    return { sinceMs: this.#parts.clock.now(), heldBytes: unreclaimableBytes(reading), level };
  }

  #isDue(last: Sampling, heap: HeapFacts | null): boolean {
    const { agent, situation } = this.#parts.context;
    const { level, reading } = situation;
    const nowMs = this.#parts.clock.now();
    const held = unreclaimableBytes(reading);
    const { share, ms } = last.read ? NAME_AGAIN : NAME_AFTER;
    if (held - last.heldBytes < share * reading.limitBytes) return false;
    const rose = last.read && level !== last.level && atLeast(level, last.level);
    if (!rose && nowMs - last.sinceMs < ms) return false;
    return this.#parts.plan.affordsLook({
      nowMs,
      level,
      heap,
      heldBytes: held,
      runtime: agent.worker.runtime,
    });
  }

  #name({ sites: named, sampledMs }: Profile, memory: MemoryFacts): GrowthReport {
    const sites = named.map(plainSite);
    const at = new Date(this.#parts.clock.wallMs()).toISOString();
    const { pid } = this.#parts.context.agent.worker;
    let grown = growthKinds(pid, memory, this.#baseline ?? null, sites);
    // all of it came before the first look: then what is there is what has grown
    if (grown.kinds.length === 0) grown = growthKinds(pid, memory, null, sites);
    return { at, ...grown, sites, sampledMs };
  }

  #memory({ reading, processes }: Situation, heap: HeapFacts | null): MemoryFacts {
    const { anonBytes, shmemBytes } = reading;
    const { pid } = this.#parts.context.agent.worker;
    const own = processes.find((each) => each.pid === pid);
    return { heap, rssBytes: own?.rssBytes ?? null, anonBytes, shmemBytes, processes };
  }
}

function canProfile(client: RuntimeClient): client is ProfilingReach {
  return client.profile !== undefined;
}
