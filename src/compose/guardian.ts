import type { Metrics } from '../adapters/metrics.ts';
import type { Config } from '../config/options.ts';
import type { ConstraintSource } from '../core/model/constraint.ts';
import type { GcRecord } from '../core/model/gc-record.ts';
import type { Advised } from '../core/model/notice.ts';
import type { Requests } from '../core/model/requests.ts';
import type { Clock, Exporters, FindAgent, Remedy } from '../core/ports/ports.ts';
import { AgentObserver } from '../core/pressure/agent-observer.ts';
import { Judge, type JudgeOptions } from '../core/pressure/judge.ts';
import type { SamplingOptions } from '../core/pressure/sampling-interval.ts';
import { Notice } from '../core/recycle/notice.ts';
import { EventRecorder } from '../core/report/event-recorder.ts';
import type { HistoryStore } from '../core/report/history.ts';
import { StatusView } from '../core/report/status-view.ts';
import { Guardian } from '../guardian.ts';
import { startRecycle } from '../remedies/drain.ts';
import { Recycler } from '../remedies/recycler.ts';
import { PressureRemediation } from '../remedies/remediation.ts';
import type { SessionOptions } from '../remedies/session-deps.ts';
import type { Machine, Mode } from './machine.ts';

/** The options that judgement and remedies depend on; durations in milliseconds. */
export type GuardianOptions = JudgeOptions &
  SamplingOptions &
  SessionOptions &
  Pick<Config, 'recycle' | 'recycleGrace'>;

/** All that a guardian reads, does and reports to: the real ones, or those of a test on a clock of its own. */
export interface GuardianParts {
  options: GuardianOptions;
  mode: Mode;
  findAgent: FindAgent;
  machine: Machine;
  clock: Clock;
  exporters: Exporters;
  history: HistoryStore;
  metrics: Pick<Metrics, 'collected' | 'stalled' | 'recycled'>;
  /** What may run out beside the agent's memory. */
  constraints: readonly ConstraintSource[];
  /** Beside collections, shedding and the recycling. */
  remedies: readonly Remedy[];
  /** Of the agent, where its hooks tell. */
  requests(): Requests | null;
  /** Settings that should change, each with its hint. */
  advice(): Advised[];
  collected(record: GcRecord): void;
  /** Of the guardian itself, for post-mortems. */
  version: string;
}

export interface ComposedGuardian {
  guardian: Guardian;
  judge: Judge;
  view: StatusView;
  remediation: PressureRemediation;
  /** Follows the probes of readiness. */
  notice: Notice;
}

/** Puts the loop together; nothing runs yet. */
export function composeGuardian(parts: GuardianParts): ComposedGuardian {
  const { options, clock, exporters } = parts;
  const { onAbsent, alone = false } = parts.mode;
  const notice = new Notice(alone);
  const remediation = composeRemediation(parts, notice);
  const judge = new Judge({ ...options, alone, ...(onAbsent && { onAbsent }) }, clock.now());
  const observer = new AgentObserver({ ...parts, judge, remediation });
  const view = new StatusView({ ...parts, judge, observer, remediation });
  const recorder = new EventRecorder({ ...parts, view, remediation });
  const { history } = parts;
  const loop = { observer, judge, remediation, recorder, exporters, view, history, clock };
  return { guardian: new Guardian(loop), judge, view, remediation, notice };
}

/** Collections, the recycling, and further remedies, in the order in which they are tried. */
function composeRemediation(parts: GuardianParts, notice: Notice): PressureRemediation {
  const { options, mode, machine, clock, exporters, metrics, remedies } = parts;
  const { log } = exporters;
  const recycler = new Recycler({
    ...machine,
    ...{ notice, clock, log, thresholds: options, restarted: mode.restarted, mode: options.recycle },
    kubelet: !mode.sameFiles,
    recycled: metrics.recycled,
    start(_agent, target, { alive, terminated, ...drain }) {
      const aim = machine.aimSigterm(target);
      return startRecycle({
        drain,
        aim,
        alive,
        terminated,
        graceMs: options.recycleGrace,
        clock,
      });
    },
  });
  const session = {
    ...machine,
    ...{ options, clock, log, stalled: metrics.stalled },
    collected(record: GcRecord) {
      metrics.collected(record);
      parts.collected(record);
    },
  };
  return new PressureRemediation(session, recycler, machine.prepare, remedies);
}
