import type { Finding } from '../model/events.ts';
import type { AgentProcess, Exporters, Remediation } from '../ports/ports.ts';
import type { EventRecorder } from '../report/event-recorder.ts';
import { exitFinding } from '../report/exit-finding.ts';
import type { HistoryStore } from '../report/history.ts';
import type { StatusView } from '../report/status-view.ts';
import type { AgentObserver, Observation } from './agent-observer.ts';
import type { Judge } from './judge.ts';

export interface RoundDeps {
  observer: AgentObserver;
  judge: Judge;
  remediation: Remediation;
  recorder: EventRecorder;
  exporters: Exporters;
  view: StatusView;
  history: HistoryStore;
}

/** One round of the loop: the agent is found, read and judged, its exit noticed, and remedies attend to the result. */
export class Round {
  readonly #deps: RoundDeps;

  constructor(deps: RoundDeps) {
    this.#deps = deps;
  }

  /** @returns whether an agent was found in this round */
  run(nowMs: number): boolean {
    const { observer, judge, remediation } = this.#deps;
    this.handleExit(nowMs);
    const found = observer.search(nowMs);
    if (found) {
      judge.agentFound();
      remediation.follow(found);
    }
    const seen = observer.observe(nowMs);
    if (typeof seen === 'string') this.miss(seen, nowMs);
    else this.#remediate(seen, nowMs);
    return found !== undefined;
  }

  /** Nothing could be read; `reason` says why, with the hint. */
  miss(reason: string, nowMs: number): void {
    this.#judge(nowMs, () => this.#deps.judge.miss(reason, nowMs));
  }

  /** Reports the agent's exit where it has ended. */
  handleExit(nowMs: number): void {
    const { observer, judge, remediation, recorder, exporters, view } = this.#deps;
    const agent: AgentProcess | undefined = observer.agent;
    if (!agent || agent.alive()) return;
    const { exit, oomKillsDelta } = observer.exitOf(agent, nowMs);
    const seen = view.postMortem(exit, oomKillsDelta);
    const cause = remediation.ended(seen.cause);
    const report = cause === undefined ? seen : { ...seen, reason: `${seen.reason} ${cause}` };
    const absence = `the agent has ended and no other is found yet (${report.reason.replace(/\.$/, '')})`;
    view.died(report);
    recorder.event(exitFinding(report, judge.level, cause !== undefined));
    exporters.died(report);
    observer.leave(absence);
    this.#judge(nowMs, () => judge.agentGone(absence, nowMs));
    recorder.stopFlightRecording();
    remediation.follow(undefined);
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
    judge.crowd(remediation.crowded);
  }

  /** Judges, and reports the result: a change of level first. */
  #judge(nowMs: number, judging: () => Finding[]): void {
    const { judge, recorder, observer } = this.#deps;
    const before = judge.level;
    const findings = judging();
    if (judge.level !== before) {
      recorder.transition(before, judge.level, nowMs);
      recorder.recordFlight(observer.agent !== undefined, judge.level);
    }
    for (const finding of findings) recorder.event(finding);
  }
}
