import type { Advised } from '../model/notice.ts';
import type { ExitFacts } from '../model/process.ts';
import { type Reading, ratioOf } from '../model/reading.ts';
import type { Requests } from '../model/requests.ts';
import type { Status } from '../model/status.ts';
import type { Clock, Remediation } from '../ports/ports.ts';
import type { AgentObserver } from '../pressure/agent-observer.ts';
import type { Judge } from '../pressure/judge.ts';
import { withShedding } from '../pressure/shedding.ts';
import { ChangeCount } from './change-count.ts';
import { composeReport } from './death-report.ts';
import type { HistoryStore } from './history.ts';
import type { PostMortem } from './post-mortem.ts';
import { composeStatus } from './status.ts';

/** How much of the past a post-mortem holds: enough to see what grew, some 0.2 MB of JSON at most. */
const REPORT_MS = 120_000;

export interface StatusViewDeps {
  judge: Judge;
  observer: AgentObserver;
  remediation: Remediation;
  history: HistoryStore;
  clock: Clock;
  /** Of the agent, where its hooks tell. */
  requests(): Requests | null;
  /** Settings that should change, each with its hint. */
  advice(): Advised[];
  /** Of the guardian itself, for post-mortems. */
  version: string;
}

/** What is known now: as the status object, as a number that counts its changes, and as a post-mortem. */
export class StatusView {
  readonly #deps: StatusViewDeps;
  readonly #changes = new ChangeCount();
  #lastDeath: PostMortem | undefined;
  #since: string;

  constructor(deps: StatusViewDeps) {
    this.#deps = deps;
    this.#since = this.now();
  }

  /** ISO time. */
  now(): string {
    return new Date(this.#deps.clock.wallMs()).toISOString();
  }

  /** The last one, while it is valid. */
  get reading(): Reading | undefined {
    const { judge, observer } = this.#deps;
    return judge.blind ? undefined : observer.reading;
  }

  /** Ratio of the last valid reading, or `null` when blind. */
  get ratio(): number | null {
    const { reading } = this;
    return reading ? ratioOf(reading) : null;
  }

  /** Counts up whenever `status` may say something else: after each round, and for what is found beside the loop. */
  get version(): number {
    const { judge, observer, remediation, requests } = this.#deps;
    return this.#changes.of([
      ...[observer.rounds, observer.tree, this.#lastDeath],
      ...[remediation.lastGc, remediation.growth, requests()],
      ...[judge.level, judge.ready, judge.blind, judge.blindReason, judge.recycling],
      ...this.#advice(),
    ]);
  }

  status(): Status {
    const { judge, observer, remediation, requests } = this.#deps;
    return composeStatus({
      judge,
      reading: observer.reading,
      tree: observer.tree,
      agent: observer.agent,
      since: this.#since,
      oomKills: observer.oomKills,
      lastDeath: this.#lastDeath,
      lastGc: remediation.lastGc,
      growth: remediation.growth,
      advice: this.#advice(),
      remedies: withShedding(remediation.remedies(), judge),
      restartDelaySeconds: remediation.restartDelaySeconds,
      requests: requests(),
    });
  }

  /** What would be left to say if everything ended now. */
  postMortem(
    exit: ExitFacts = { exitCode: null, signal: null },
    oomKillsDelta: number | null = null,
  ): PostMortem {
    const { observer, history, clock, version } = this.#deps;
    return composeReport({
      id: clock.newId(),
      wallMs: clock.wallMs(),
      exit,
      oomKillsDelta,
      oomKills: observer.oomKills,
      heapLimitBytes: observer.agent?.heapLimitBytes ?? null,
      status: this.status(),
      history: history.render(REPORT_MS),
      processes: observer.tree?.processes ?? [],
      guardianVersion: version,
    });
  }

  /** The level has changed. */
  levelChanged(): void {
    this.#since = this.now();
  }

  /** The agent has ended. */
  died(report: PostMortem): void {
    this.#lastDeath = report;
  }

  /** An agent ended that this guardian has not seen. */
  vanished(report: PostMortem): void {
    this.#lastDeath ??= report;
  }

  #advice(): Advised[] {
    const { remediation, advice } = this.#deps;
    return [...remediation.advice, ...advice()];
  }
}
