import { messageOf } from './core/lib/errors.ts';
import type { Clock } from './core/ports/ports.ts';
import { Round, type RoundDeps } from './core/pressure/round.ts';
import { TickLoop } from './core/pressure/tick-loop.ts';
import type { PostMortem } from './core/report/post-mortem.ts';

export interface GuardianDeps extends RoundDeps {
  clock: Clock;
}

const SECOND_MS = 1000;

/**
 * The loop: observe the agent → judge → remediate → report. Remedies and exporters work on their own time: the loop waits
 * for none of them.
 */
export class Guardian {
  readonly loop: TickLoop;
  readonly #deps: GuardianDeps;
  readonly #round: Round;
  #failure: string | undefined;
  #secondMs = Number.NEGATIVE_INFINITY;

  constructor(deps: GuardianDeps) {
    const { clock, observer, exporters } = deps;
    this.#deps = deps;
    this.#round = new Round(deps);
    this.loop = new TickLoop({
      clock,
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
    this.#round.handleExit(clock.now());
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
      const second = now - this.#secondMs >= SECOND_MS;
      // processes are looked at after a whole reading: it counts the kills that they may be missing for
      if (second || judge.blind || !observer.isCalm(now)) this.#go(second, now); // a glance allocates nothing
      this.#failure = undefined;
    } catch (error) {
      this.#failed(messageOf(error), now);
    } finally {
      judge.drain(remediation.draining()); // also where ticks fail: a recycle may have been cancelled
    }
  }

  #go(second: boolean, now: number): void {
    if (this.#round.run(now)) this.#secondMs = now;
    else if (second) this.#everySecond(now);
    this.#report();
  }

  /** A tick that fails says nothing about the agent: reported once; without a reading for long, readiness opens. */
  #failed(failure: string, now: number): void {
    const { exporters } = this.#deps;
    exporters.readFailed('tick');
    if (failure !== this.#failure) exporters.log('warn', `a tick failed: ${failure}`);
    this.#failure = failure;
    this.#round.miss(failure, now);
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
