import { SpillwayError } from '../../src/core/lib/errors.ts';
import type { Collection, GcWay, Profile, Site } from '../../src/core/model/heap.ts';
import type { Runtime } from '../../src/core/model/status.ts';
import type { RuntimeClient } from '../../src/core/ports/runtime-client.ts';
import type { FakeAgent } from './fake-agent.ts';
import type { FakeClock } from './fake-clock.ts';
import { MiB } from './reading.ts';

export type Call =
  | 'facts'
  | 'collect'
  | 'startProfile'
  | 'profile'
  | 'inFlight'
  | 'catchesSigterm'
  | 'release';

const SITE: Site = {
  name: 'remember',
  kind: 'function',
  file: 'agent.js',
  line: 7,
  package: null,
  bytes: 90 * MiB,
  growthBytes: 80 * MiB,
};

/** A client of an agent's runtime, of plain objects; its faults are a test's to set. */
export class FakeRuntimeClient implements RuntimeClient {
  readonly runtime: Runtime;
  readonly means = 'a fake';
  readonly calls: { what: Call; atMs: number }[] = [];
  /** What a call does instead: throw this, or never answer. */
  faults: Partial<Record<Call, Error | 'hang'>> = {};
  /** How long each takes. */
  takesMs: Partial<Record<Call, number>> = { collect: 100, profile: 50 };
  profileStallMs = 50;
  sites: Site[] = [SITE];
  sigterm = true;
  maySignal: () => boolean = () => true;
  /** It is open because of a signal. */
  opened = false;
  #connected = false;
  /** Most calls that stop the agent at one time. */
  mostAtOnce = 0;
  #stopping = 0;
  readonly #clock: FakeClock;
  readonly #agent: FakeAgent;

  constructor(clock: FakeClock, agent: FakeAgent) {
    this.#clock = clock;
    this.#agent = agent;
    this.runtime = agent.info.runtime;
  }

  times(what: Call): number {
    return this.calls.filter((call) => call.what === what).length;
  }
  /** Calls after the last release. */
  get late(): Call[] {
    const last = this.calls.findLastIndex(({ what }) => what === 'release');
    return last < 0 ? [] : this.calls.slice(last + 1).map(({ what }) => what);
  }

  facts = () => this.#call('facts', () => this.#agent.heap());
  collect = (way: GcWay): Promise<Collection> => {
    const before = this.#agent.heap();
    return this.#call('collect', () => {
      this.#agent.garbageMiB = 0;
      const stallMs = this.takesMs.collect ?? 0;
      return { way, before, after: this.#agent.heap(), stallMs, workers: 0 };
    });
  };
  startProfile = () => this.#call('startProfile', () => {});
  profile = (): Promise<Profile> =>
    this.#call('profile', () => ({
      sites: this.sites,
      sampledBytes: 90 * MiB,
      growthBytes: 80 * MiB,
      sampledMs: 1000,
      stallMs: this.profileStallMs,
      file: { extension: '.heapprofile', content: '{}' },
    }));
  inFlight = () => this.#call('inFlight', () => this.#agent.inFlight);
  catchesSigterm = () => this.#call('catchesSigterm', () => this.sigterm);
  release = () =>
    this.#call('release', () => {
      this.#connected = false;
      this.opened = false;
    });

  async #call<T>(what: Call, result: () => T): Promise<T> {
    this.calls.push({ what, atMs: this.#clock.now() });
    const stops = what === 'collect' || what === 'profile';
    if (stops) this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#stopping);
    try {
      if (what !== 'release') this.#connect();
      const fault = this.faults[what];
      if (fault === 'hang') await new Promise(() => {});
      if (this.takesMs[what]) await this.#clock.sleep(this.takesMs[what]);
      if (fault instanceof Error) throw fault;
      return result();
    } finally {
      if (stops) this.#stopping--;
    }
  }

  #connect(): void {
    if (this.#connected) return;
    if (!this.#agent.inspectorOpen) {
      if (!this.maySignal()) throw new SpillwayError('deferred', 'not open', { retryable: true });
      this.#agent.signals.push('SIGUSR1');
      this.opened = true;
    }
    this.#connected = true;
  }
}
