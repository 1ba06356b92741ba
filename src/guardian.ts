import { messageOf } from './core/lib/errors.ts';
import type { Finding } from './core/model/events.ts';
import type { AgentProcess, Clock, Exporters, Remediation } from './core/ports/ports.ts';
import type { AgentObserver, Observation } from './core/pressure/agent-observer.ts';
import type { Judge } from './core/pressure/judge.ts';
import { TickLoop } from './core/pressure/tick-loop.ts';
import type { EventRecorder } from './core/report/event-recorder.ts';
import { exitFinding } from './core/report/exit-finding.ts';
import type { HistoryStore } from './core/report/history.ts';
import type { PostMortem } from './core/report/post-mortem.ts';
import type { StatusView } from './core/report/status-view.ts';

export interface GuardianDeps {
  observer: AgentObserver;
  judge: Judge;
  remediation: Remediation;
  recorder: EventRecorder;
  exporters: Exporters;
  view: StatusView;
  history: HistoryStore;
  clock: Clock;
  /** The longest sampling interval, in milliseconds. */
  sampleMax: number;
}

const SECOND_MS = 1000;

/**
 * The loop: observe the agent → judge → remediate → report. Remedies and exporters work on their own time: the loop waits
 * for none of them.
 */
export class Guardian {
  readonly loop: TickLoop;
  readonly #deps: GuardianDeps;
  #failure: string | undefined;
  #secondMs = Number.NEGATIVE_INFINITY;

  constructor(deps: GuardianDeps) {
    const { clock, observer, exporters, sampleMax } = deps;
    this.#deps = deps;
    this.loop = new TickLoop({
      clock,
      maxIntervalMs: sampleMax,
      intervalMs: () => observer.intervalMs,
      tick: (now) => this.#tick(now),
      observe: exporters.observeTick,
    });
  }

  start(): void {
    this.loop.start();
  }

  /** Ends the loop, and reports an exit that no tick has seen. Called again, it reports what the remedies have found at their end. */
  stop(): void {
    const { observer, clock, recorder } = this.#deps;
    this.#report();
    if (!this.loop.stop()) return;
    if (observer.agent && !observer.agent.alive()) this.#handleExit(observer.agent, clock.now());
    observer.close();
    this.#report();
    recorder.stopFlightRecording();
  }

  /** Reports an exit that an earlier guardian did not live to see. */
  reportVanished(report: PostMortem): void {
    this.#deps.view.vanished(report);
    this.#deps.recorder.event({ reason: 'AgentExited', note: report.reason }, report.status.growth);
  }

  #tick(now: number): void {
    const { observer, judge, remediation } = this.#deps;
    try {
      if (judge.blind || !observer.isCalm(now)) this.#round(now);
      if (now - this.#secondMs >= SECOND_MS) this.#everySecond(now);
      this.#report();
      this.#failure = undefined;
    } catch (error) {
      this.#failed(messageOf(error), now);
    } finally {
      judge.drain(remediation.draining()); // also where ticks fail: a recycle may have been cancelled
    }
  }

  #round(now: number): void {
    const { observer, judge, remediation } = this.#deps;
    if (observer.agent && !observer.agent.alive()) this.#handleExit(observer.agent, now);
    const found = observer.search(now);
    if (found) {
      judge.agentFound();
      remediation.follow(found);
      this.#secondMs = now;
    }
    const seen = observer.observe(now);
    if (typeof seen === 'string') this.#judge(now, () => judge.miss(seen, now));
    else this.#remediate(seen, now);
  }

  #remediate({ valid, childKilled, ...observed }: Observation, nowMs: number): void {
    const { judge, remediation, history } = this.#deps;
    const { reading } = observed;
    this.#judge(nowMs, () => {
      const findings = valid ? judge.step(reading, nowMs, remediation.reclaimOutlook) : [];
      history.add(reading, judge.level);
      return childKilled ? [...findings, childKilled] : findings;
    });
    if (!valid) return;
    const { memoryLevel: level, outlook, risingSeconds, ready, stuck } = judge;
    remediation.attend({ ...observed, nowMs, level, outlook, risingSeconds, ready, stuck });
  }

  /** Judges, and reports the result: a change of level first. */
  #judge(now: number, judging: () => Finding[]): void {
    const { judge, recorder, observer } = this.#deps;
    const before = judge.level;
    const findings = judging();
    if (judge.level !== before) {
      recorder.transition(before, judge.level, now);
      recorder.recordFlight(observer.agent !== undefined, judge.level);
    }
    for (const finding of findings) recorder.event(finding);
  }

  #handleExit(agent: AgentProcess, now: number): void {
    const { observer, judge, remediation, recorder, exporters, view } = this.#deps;
    const { exit, oomKillsDelta } = observer.exitOf(agent, now);
    const seen = view.postMortem(exit, oomKillsDelta);
    const cause = remediation.ended(seen.cause);
    const report = cause === undefined ? seen : { ...seen, reason: `${seen.reason} ${cause}` };
    const absence = `the agent has ended and no other is found yet (${report.reason})`;
    view.died(report);
    recorder.event(exitFinding(report, judge.level, cause !== undefined));
    exporters.died(report);
    observer.leave(absence);
    this.#judge(now, () => judge.agentGone(absence, now));
    recorder.stopFlightRecording();
    remediation.follow(undefined);
  }

  /** A tick that fails says nothing about the agent: reported once; without a reading for long, readiness opens. */
  #failed(failure: string, now: number): void {
    const { exporters, judge } = this.#deps;
    exporters.readFailed('tick');
    if (failure !== this.#failure) exporters.log('warn', `a tick failed: ${failure}`);
    this.#failure = failure;
    this.#judge(now, () => judge.miss(failure, now));
  }

  #everySecond(now: number): void {
    const { observer, judge, recorder } = this.#deps;
    this.#secondMs = now;
    recorder.reading();
    recorder.recordFlight(observer.agent !== undefined, judge.level);
    observer.sampleProcesses();
  }

  /** Reports what the remedies have found beside the loop. */
  #report(): void {
    for (const finding of this.#deps.remediation.findings()) this.#deps.recorder.event(finding);
  }
}
