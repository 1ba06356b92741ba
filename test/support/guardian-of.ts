import type { ConstraintSource } from '../../src/core/model/constraint.ts';
import type { Clock, Exporters, FindAgent, Remediation } from '../../src/core/ports/ports.ts';
import { AgentObserver } from '../../src/core/pressure/agent-observer.ts';
import { Judge, type JudgeOptions } from '../../src/core/pressure/judge.ts';
import type { SamplingOptions } from '../../src/core/pressure/sampling-interval.ts';
import { EventRecorder } from '../../src/core/report/event-recorder.ts';
import type { HistoryStore } from '../../src/core/report/history.ts';
import type { PostMortem } from '../../src/core/report/post-mortem.ts';
import { StatusView } from '../../src/core/report/status-view.ts';
import { Guardian } from '../../src/guardian.ts';

export interface LoopParts {
  options: JudgeOptions & SamplingOptions;
  findAgent: FindAgent;
  exporters: Exporters;
  remediation: Remediation;
  constraints?: readonly ConstraintSource[];
  history: HistoryStore;
  clock: Clock;
  version: string;
}

/** The loop with remedies of the test's own, and what it knows. */
export class LoopStory {
  readonly guardian: Guardian;
  readonly judge: Judge;
  readonly view: StatusView;

  constructor(parts: LoopParts) {
    const all = { constraints: [], advice: () => [], ...parts };
    const judge = new Judge(parts.options, parts.clock.now());
    const observer = new AgentObserver({ ...all, judge });
    const view = new StatusView({ ...all, judge, observer });
    const recorder = new EventRecorder({ ...all, view });
    this.guardian = new Guardian({
      ...all,
      observer,
      judge,
      view,
      recorder,
      sampleMax: parts.options.sampleMax,
    });
    this.judge = judge;
    this.view = view;
  }
  start = () => this.guardian.start();
  stop = () => this.guardian.stop();
  status = () => this.view.status();
  tickIfDue = () => this.guardian.loop.tickIfDue();
  ticking = () => this.guardian.loop.healthy;
  reportVanished = (report: PostMortem) => this.guardian.reportVanished(report);
  get version(): number {
    return this.view.version;
  }
}
