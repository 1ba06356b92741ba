import { messageOf, SpillwayError } from './core/lib/errors.ts';
import type { Constraint, ConstraintSource } from './core/model/constraint.ts';
import type { Finding } from './core/model/events.ts';
import type { Advised } from './core/model/notice.ts';
import type { ExitFacts } from './core/model/process.ts';
import { type Reading, ratioOf, unreclaimableBytes } from './core/model/reading.ts';
import type { Level, Status } from './core/model/status.ts';
import type { AgentProcess, Clock, Exporters, FindAgent, Remediation } from './core/ports/ports.ts';
import { Judge, type JudgeOptions } from './core/pressure/judge.ts';
import { atLeast } from './core/pressure/level.ts';
import { ProcessTreePoller } from './core/pressure/process-tree-poller.ts';
import { SamplingInterval, type SamplingOptions } from './core/pressure/sampling-interval.ts';
import { withShedding } from './core/pressure/shedding.ts';
import { ChangeCount } from './core/report/change-count.ts';
import { composeReport } from './core/report/death-report.ts';
import { EventRecorder } from './core/report/event-recorder.ts';
import type { HistoryStore } from './core/report/history.ts';
import { OomKillCounter } from './core/report/oom-kill-counter.ts';
import type { PostMortem } from './core/report/post-mortem.ts';
import { composeStatus } from './core/report/status.ts';

export type GuardianOptions = JudgeOptions & SamplingOptions;

export interface GuardianDeps {
  options: GuardianOptions;
  findAgent: FindAgent;
  exporters: Exporters;
  remediation: Remediation;
  /** What may run out beside the agent's memory. */
  constraints?: readonly ConstraintSource[];
  /** What else should be set otherwise, each with its hint. */
  advice?(): Advised[];
  history: HistoryStore;
  clock: Clock;
  /** Of the guardian itself, for reports. */
  version: string;
}

const NONE: readonly Constraint[] = [];
const SEEK_EVERY_MS = 200;
const SECOND_MS = 1000;
/** An agent's processes are looked at first after this time: the first look starts two programs, which takes 10 ms of the start. */
const FIRST_LOOK_MS = 100;
/** A killed process is still listed while it gives its memory back; who is missing after this time was killed. */
const GONE_AFTER_MS = 250;
/** How much of the past a report holds: enough to see what grew, some 0.2 MB of JSON at most. */
const REPORT_MS = 120_000;

/**
 * The loop: watch the agent's life → read → judge → tell, re-armed after each tick. Whatever acts or tells does so on
 * its own time: the loop waits for nobody.
 */
export class Guardian {
  readonly judge: Judge;
  readonly #deps: GuardianDeps;
  readonly #kills = new OomKillCounter();
  readonly #pace: SamplingInterval;
  readonly #tree: ProcessTreePoller;
  readonly #recorder: EventRecorder;
  #life: AgentProcess | undefined;
  #reading: Reading | undefined;
  #lastDeath: PostMortem | undefined;
  #noAgent = 'no agent found yet';
  #lives = 0;

  #running = false;
  #timer: { cancel(): void } | undefined;
  #tickFailure: string | undefined;
  #rounds = 0;
  readonly #changes = new ChangeCount();
  #tickMs: number;
  #dueMs = 0;
  #judgedBytes = 0;
  /** The tick that judged last: none does while a kill is being looked into. */
  #judgedMs = Number.NaN;
  #searchedMs = Number.NEGATIVE_INFINITY;
  #secondMs = Number.NEGATIVE_INFINITY;

  constructor(deps: GuardianDeps) {
    this.#deps = deps;
    this.#tickMs = deps.clock.now();
    const judge = new Judge(deps.options, this.#tickMs);
    this.judge = judge;
    this.#pace = new SamplingInterval(deps.options);
    const { exporters, history, clock } = deps;
    this.#recorder = new EventRecorder({
      ...{ exporters, history, clock },
      status: () => this.status(),
      growth: () => deps.remediation.growth,
    });
    this.#tree = new ProcessTreePoller({
      now: () => deps.clock.now(),
      pressed: () => atLeast(judge.level, 'warning'),
      seen({ cpuCores }) {
        if (cpuCores !== null) judge.load(cpuCores, deps.clock.now());
      },
      failed: () => deps.exporters.readFailed('processes'),
    });
  }

  start(): void {
    this.#running = true;
    this.#tick();
  }

  /** Ends the loop. An agent that has died meanwhile is reported first. */
  stop(): void {
    this.#pull(); // at a second time, what was found since
    if (!this.#running) return;
    this.#running = false;
    this.#timer?.cancel();
    if (this.#life && !this.#life.alive()) this.#handleExit(this.#life, this.#deps.clock.now());
    this.#life?.close();
    this.#pull();
    this.#recorder.stopFlightRecording();
  }

  /** Tells of an end that an earlier guardian did not live to see. */
  reportVanished(report: PostMortem): void {
    this.#lastDeath ??= report;
    this.#recorder.event({ reason: 'AgentExited', note: report.reason }, report.status.growth);
  }

  /** Takes the sample that is due. Called from every request, so that a flood of requests cannot put it off. */
  tickIfDue(): void {
    if (this.#running && this.#deps.clock.now() >= this.#dueMs) this.#tick();
  }

  /** Whether the loop has ticked lately: the guardian's own health, whatever the agent's. */
  ticking(): boolean {
    return (
      this.#running &&
      this.#deps.clock.now() - this.#tickMs < Math.max(SECOND_MS, 20 * this.#deps.options.sampleMax)
    );
  }

  /** Counts up whenever `status` may say something else: after each round, and for what is found beside the loop. */
  get version(): number {
    const { judge } = this;
    const { remediation } = this.#deps;
    return this.#changes.of([
      ...[this.#rounds, this.#tree.latest, this.#lastDeath, remediation.lastGc, remediation.growth],
      ...[judge.level, judge.ready, judge.blind, judge.blindReason, judge.recycling],
      ...this.#advice(),
    ]);
  }

  #tick(): void {
    const { clock, exporters } = this.#deps;
    const now = clock.now();
    const sinceLast = now - this.#tickMs;
    this.#tickMs = now;
    this.#timer?.cancel();
    try {
      if (!this.#isCalm(now)) this.#round(now);
      if (now - this.#secondMs >= SECOND_MS) this.#everySecond(now);
      this.#pull();
      this.#tickFailure = undefined;
    } catch (error) {
      this.#failed(messageOf(error), now);
    } finally {
      this.judge.drain(this.#deps.remediation.draining()); // also where ticks fail: what has been called off is
      exporters.observeTick((clock.now() - now) / 1000, sinceLast / 1000);
      if (this.#running) {
        this.#dueMs = clock.now() + this.#pace.intervalMs;
        this.#timer = clock.setTimer(() => this.#tick(), this.#pace.intervalMs);
      }
    }
  }

  /** A tick that fails tells nothing about the agent: told once, and with no reading for long, readiness opens. */
  #failed(failure: string, now: number): void {
    const { exporters } = this.#deps;
    exporters.readFailed('tick');
    if (failure !== this.#tickFailure) exporters.log('warn', `a tick failed: ${failure}`);
    this.#tickFailure = failure;
    const before = this.judge.level;
    const findings = this.judge.miss(failure, now);
    if (this.judge.level !== before) this.#changed(before, now);
    for (const finding of findings) this.#recorder.event(finding);
  }

  #round(now: number): void {
    this.#rounds++;
    this.#watchLife(now);
    const before = this.judge.level; // a death has told its own change of level
    const findings = this.#read(now);
    if (this.judge.level !== before) this.#changed(before, now);
    for (const finding of findings) this.#recorder.event(finding);
    if (this.#life && this.#reading && this.#judgedMs === now && !this.judge.blind)
      this.#relieve(this.#life, this.#reading, now);
  }

  /** What the remedies have found beside the loop. */
  #pull(): void {
    const { remediation } = this.#deps;
    for (const finding of remediation.findings()) this.#recorder.event(finding);
  }

  /** The same objects as before where nothing has changed. */
  #constraints(now: number): readonly Constraint[] {
    const { constraints = [] } = this.#deps;
    return constraints.length === 0 ? NONE : constraints.flatMap((source) => source.read(now) ?? []);
  }

  #relieve(agent: AgentProcess, reading: Reading, nowMs: number): void {
    const { memoryLevel: level, outlook, risingSeconds, ready, stuck } = this.judge;
    const { processes = [], pids = [] } = this.#tree.latest ?? {};
    const now = { nowMs, agent, reading, level, outlook, risingSeconds, processes, pids, ready, stuck };
    this.#deps.remediation.attend(now);
  }

  /** Whether a glance shows that nothing has moved: then there is nothing to judge. */
  #isCalm(now: number): boolean {
    const reading = this.#reading;
    if (!reading || !this.#life || this.judge.blind || this.#kills.pending) return false;
    if (!this.#life.alive()) return false; // a death is looked into at once: its cgroup may soon be gone
    if (reading.heap !== this.#deps.remediation.heap) return false; // the agent has said something new of it
    const others = this.#constraints(now);
    if (others.length !== reading.others.length || others.some((each, i) => each !== reading.others[i]))
      return false;
    const used = this.#life.usageOnly();
    return used !== null && this.#pace.glanced(used, reading, now);
  }

  /** Notices a death, and looks for the agent while there is none. */
  #watchLife(now: number): void {
    if (this.#life && !this.#life.alive()) this.#handleExit(this.#life, now);
    if (this.#life || now - this.#searchedMs < SEEK_EVERY_MS) return;
    this.#searchedMs = now;
    const found = this.#deps.findAgent(this.#lives);
    if (typeof found === 'string') {
      this.#noAgent = found;
      return;
    }
    this.#lives++;
    if (found.info.restarts > 0) this.#deps.exporters.restarted();
    this.#life = found;
    this.judge.agentFound();
    this.#tree.follow(found);
    this.#deps.remediation.follow(found);
    this.#secondMs = now;
    this.#deps.clock.setTimer(() => this.#running && this.#tree.sampleIfDue(), FIRST_LOOK_MS);
    this.#deps.exporters.log(
      'info',
      `guarding pid ${found.info.pid} (${found.info.name}, ${found.info.runtime})`,
    );
  }

  /** One reading, judged; or the reason why there is none. */
  #read(now: number): Finding[] {
    const { clock, exporters, history, remediation } = this.#deps;
    const agent = this.#life;
    if (!agent) return this.judge.miss(this.#noAgent, now);
    let reading: Reading;
    try {
      reading = agent.read(now);
    } catch (error) {
      this.#pace.lost();
      exporters.readFailed(error instanceof SpillwayError ? error.code : 'read');
      return this.judge.miss(messageOf(error), now);
    }
    reading.rssBytes = this.#tree.latest?.rssBytes ?? 0;
    reading.heap = remediation.heap;
    reading.others = this.#constraints(now);
    this.#reading = reading;
    this.#pace.read(reading, now);
    const kills = this.#kills;
    const family = this.#tree.latest ?? { processes: [], pids: [] };
    const waited = kills.pending;
    const childKilled = kills.settle(agent.info.pid, family, now, () => agent.dying(), agent.sharesGroup);
    const survived = waited && !kills.pending;
    if (kills.count(agent.oomKills(), now, family)) clock.setTimer(() => this.#tree.sample(), GONE_AFTER_MS);
    const held = unreclaimableBytes(reading);
    let findings: Finding[] = [];
    // what a kill gives back is no recovery: it may be the agent itself that is dying
    if (!kills.pending || survived || held >= this.#judgedBytes) {
      findings = this.judge.step(reading, now, remediation.reclaimOutlook);
      this.#judgedBytes = held;
      this.#judgedMs = now;
    }
    history.add(reading, this.judge.level);
    return childKilled ? [...findings, childKilled] : findings;
  }

  #handleExit(agent: AgentProcess, now: number): void {
    const { exporters } = this.#deps;
    this.#kills.count(agent.oomKills(), now, { processes: [], pids: [] });
    const seen = this.#report(agent.exit(), this.#kills.takeForDeath());
    const done = this.#deps.remediation.ended(seen.cause);
    const report = done === undefined ? seen : { ...seen, reason: `${seen.reason} ${done}` };
    this.#lastDeath = report;
    this.#life = undefined;
    this.#searchedMs = Number.NEGATIVE_INFINITY;
    this.#noAgent = `the agent is gone and no other was found yet (${report.reason})`;
    agent.close();
    // an end that cannot be seen, with no pressure before it, is for whoever runs the agent to judge: a Job's last container ends so
    const calm =
      done === undefined &&
      (report.exitCode === 0 || (report.cause === 'unknown' && !atLeast(this.judge.level, 'warning')));
    this.#recorder.event({
      reason: report.cause === 'oom-killed' ? 'AgentOOMKilled' : 'AgentExited',
      type: calm ? 'Normal' : 'Warning',
      note: report.reason,
    });
    exporters.died(report);
    const before = this.judge.level;
    const findings = this.judge.agentGone(this.#noAgent, now);
    if (this.judge.level !== before) this.#changed(before, now);
    for (const finding of findings) this.#recorder.event(finding);
    this.#recorder.stopFlightRecording();
    this.#reading = undefined;
    this.#tree.follow(undefined);
    this.#deps.remediation.follow(undefined);
    this.#pace.lost();
  }

  #changed(before: Level, now: number): void {
    this.#recorder.transition(before, this.judge.level, now);
    this.#recordFlight();
  }

  #everySecond(now: number): void {
    this.#secondMs = now;
    this.#recorder.reading();
    this.#recordFlight();
    this.#tree.sampleIfDue();
  }

  /** While pressure lasts there is a recording of the flight. */
  #recordFlight(): void {
    if (this.#life && atLeast(this.judge.level, 'warning'))
      this.#recorder.startFlightRecording(() => this.#report({ exitCode: null, signal: null }, null));
    else this.#recorder.stopFlightRecording();
  }

  #report(exit: ExitFacts, oomKillsDelta: number | null): PostMortem {
    const { clock, history, version } = this.#deps;
    return composeReport({
      id: clock.newId(),
      wallMs: clock.wallMs(),
      exit,
      oomKillsDelta,
      oomKills: this.#kills.total,
      heapLimitBytes: this.#life?.heapLimitBytes ?? null,
      status: this.status(),
      history: history.render(REPORT_MS),
      processes: this.#tree.latest?.processes ?? [],
      guardianVersion: version,
    });
  }

  /** Tells something that was found beside the loop. */
  tell(finding: Finding): void {
    this.#recorder.event(finding);
  }

  /** Ratio of the last valid reading, or `null` when blind. */
  get ratio(): number | null {
    return this.#reading && !this.judge.blind ? ratioOf(this.#reading) : null;
  }

  /** Why the level is what it is, in words. */
  get reason(): string {
    return this.status().reason;
  }

  /** What is known now. */
  status(): Status {
    const { remediation } = this.#deps;
    return composeStatus({
      judge: this.judge,
      reading: this.#reading,
      tree: this.#tree.latest,
      agent: this.#life,
      since: this.#recorder.since,
      oomKills: this.#kills.total,
      lastDeath: this.#lastDeath,
      lastGc: remediation.lastGc,
      growth: remediation.growth,
      advice: this.#advice(),
      remedies: withShedding(remediation.remedies(), this.judge),
    });
  }

  #advice(): Advised[] {
    const { remediation, advice } = this.#deps;
    return [...remediation.advice, ...(advice?.() ?? [])];
  }
}
