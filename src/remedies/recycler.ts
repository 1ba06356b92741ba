import { messageOf } from '../core/lib/errors.ts';
import { formatSeconds } from '../core/lib/units.ts';
import type { Finding } from '../core/model/events.ts';
import { memoryLimitedBy, unreclaimableBytes } from '../core/model/reading.ts';
import type { RemedyStatus } from '../core/model/remedy.ts';
import type { AgentProcess, Situation } from '../core/ports/ports.ts';
import { atLeast } from '../core/pressure/level.ts';
import type { NeedsMore } from '../core/recycle/budget.ts';
import type { NoKill } from '../core/recycle/foreseen-kill.ts';
import { OomVictim } from '../core/recycle/oom-victim.ts';
import { OpenPort } from '../core/recycle/open-port.ts';
import type { RecycleOutcome } from '../core/recycle/outcome.ts';
import { type RecycleBar, type RecycleInput, RecyclePlan } from '../core/recycle/plan.ts';
import { isUrgent } from '../core/recycle/urgent.ts';
import {
  describeKill,
  describeOutcome,
  describeStanding,
  type RecycleStanding,
} from '../core/recycle/words.ts';
import type { Ending } from './gc-runner.ts';
import type { Inside, RecyclerDeps } from './recycler-deps.ts';
import { SigtermReceiver } from './sigterm-receiver.ts';

/** What was decided holds for so long without a reading that says so again. */
const NEEDED_MS = 500;
/** … and is cancelled when none has for so long. */
const CALL_OFF_MS = 1000;
/** An agent that cannot be read for so long is not kept from its work. */
const JUDGED_MS = 5000;

/** Ends the agent in order where that is the lesser evil, life after life: one budget over all of them. */
export class Recycler {
  readonly #deps: RecyclerDeps;
  readonly #plan: RecyclePlan;
  readonly #victim: OomVictim;
  #life: AgentProcess | undefined;
  #latest: Situation | undefined;
  #running: ReturnType<RecyclerDeps['start']> | undefined;
  #needed = false;
  #neededMs = Number.NEGATIVE_INFINITY;
  /** How the agent stands was last judged. */
  #judgedMs = Number.NEGATIVE_INFINITY;
  /** Since when the agent is un-ready; `null` while it is ready. */
  #closedMs: number | null = null;
  /** As last judged, SIGTERM may be sent with work in flight. */
  #mayBreak = false;
  readonly #receiver: SigtermReceiver;
  #needsMore: NeedsMore | null = null;
  readonly #port = new OpenPort();
  /** Why the agent admits no new work until its end. */
  #draining: Extract<RecycleStanding, { code: 'recycling' | 'left_running' }> | null = null;
  #found: Finding[] = [];
  #decided: { why: NoKill | RecycleBar; foreseen: boolean } | undefined;
  #othersEndIt: string | undefined;
  #ended = false;
  /** SIGTERM was sent in this life, or in the one that has just ended. */
  #terminated = false;

  constructor(deps: RecyclerDeps) {
    this.#deps = deps;
    this.#plan = new RecyclePlan(deps);
    this.#victim = new OomVictim(deps.oomAdjustment);
    this.#receiver = new SigtermReceiver(deps);
  }

  /** From here on it is this life; `undefined` when there is none. */
  follow(agent: AgentProcess | undefined): void {
    this.#life = agent;
    this.#latest = undefined;
    this.#running?.callOff('the guardian is shutting down, or the agent has ended');
    this.#receiver.reset();
    this.#port.reset();
    this.#closedMs = null;
    this.#draining = null;
    this.#decided = undefined;
    if (!agent) return;
    this.#plan.born(this.#deps.clock.now());
    this.#terminated = false;
  }

  findings(): Finding[] {
    return this.#found.splice(0);
  }

  draining(): string | null {
    return this.#draining && describeStanding(this.#draining);
  }

  /** Clients had the time to notice that a drained agent is un-ready, or there is none: what comes is refused, but not for good where it outlives SIGTERM. */
  get noticed(): boolean {
    return this.#draining?.code !== 'left_running' && (this.#urgent() || this.#isNoticed());
  }

  status(): RemedyStatus<RecycleStanding['code']> {
    const of = (state: RemedyStatus['state'], standing: RecycleStanding) => {
      return { name: 'recycle', state, code: standing.code, why: describeStanding(standing) };
    };
    if (this.#deps.mode === 'off') return of('off', { code: 'switched_off' });
    if (this.#othersEndIt !== undefined)
      return of('idle', { code: 'others_end_it', message: this.#othersEndIt });
    if (this.#draining !== null) return of('acting', this.#draining);
    if (!this.#decided) return of('idle', { code: 'no_agent' });
    return of(this.#decided.foreseen ? 'waiting' : 'idle', this.#decided.why);
  }

  /** Whether an agent that is un-ready is about to be ended, so that making it ready again meanwhile admits work to be broken. */
  get awaits(): boolean {
    return this.#life !== undefined && this.#othersEndIt === undefined && this.#plan.awaits;
  }

  get ending(): Ending {
    if (this.#running === undefined) return 'no';
    return this.#terminated ? 'signalled' : 'drained';
  }

  /** Whether the agent was sent SIGTERM in this life, or in the one that has just ended. */
  get terminated(): boolean {
    return this.#terminated;
  }

  /** The guardian ends: an agent that was asked to end does so by itself, and nothing more is said of it. */
  end(): void {
    this.#ended = true;
    this.follow(undefined);
  }

  /** Somebody else ends the agent: it gets no second SIGTERM, which many take for "at once". */
  standBack(why: string): void {
    this.#othersEndIt = why;
    this.#running?.callOff(why);
  }

  /** At each round of the loop; returns at once. */
  attend(situation: Situation, inside: Inside): void {
    this.#latest = situation;
    this.#closedMs = situation.ready ? null : (this.#closedMs ?? situation.nowMs);
    if (this.#deps.mode === 'off' || this.#othersEndIt !== undefined) return;
    const { nowMs, agent } = situation;
    const input = this.#input(situation, inside);
    if (this.#running) {
      this.#reconsider(input);
      return;
    }
    if (this.#port.hasClosed(situation.level, inside.inFlight)) return;
    const decision = this.#plan.decide(input);
    const { needsMore } = this.#plan;
    if (needsMore !== null && needsMore !== this.#needsMore)
      this.#found.push({ reason: 'AgentStuck', note: `Not recycled: ${describeStanding(needsMore)}.` });
    this.#needsMore = needsMore;
    if (!decision.recycle) {
      this.#decided = decision;
      if (decision.why.code === 'gc_may_free') inside.decidesOnGc();
      return;
    }
    this.#needed = true;
    this.#neededMs = nowMs;
    this.#judgedMs = nowMs;
    this.#mayBreak = this.#plan.mayBreak(input);
    void this.#recycle(agent, inside, describeKill(decision.reason));
  }

  #input(situation: Situation, inside: Inside): RecycleInput {
    const { nowMs, agent, level, reading, outlook, risingSeconds, ready, cpuCores } = situation;
    const usedBytes = unreclaimableBytes(reading);
    const heap = memoryLimitedBy(reading) === 'heap' ? reading.heap : null;
    const requests = this.#deps.hooks.requests();
    return {
      nowMs,
      level,
      ...{ ready, cpuCores, usedBytes },
      heapLimited: heap !== null,
      ...{ heapBytes: inside.heapBytes, leftRatio: inside.leftRatio },
      heldBytes: heap?.usedBytes ?? usedBytes,
      limitBytes: heap?.limitBytes ?? reading.limitBytes,
      secondsToLimit: outlook.secondsToLimit,
      risingSeconds,
      collections: inside.collections,
      freeHeapBytes: heap ? 0 : inside.freeHeapBytes,
      inFlight: inside.inFlight,
      endsInSeconds: inside.endsInSeconds,
      ...{ running: requests?.inFlight ?? null, admittedPerSecond: requests?.admittedPerSecond ?? null },
      waiting: this.#deps.hooks.waiting(),
      spared: heap === null && this.#isSpared(situation),
      handlesSigterm: atLeast(level, 'warning') && this.#receiver.handles(agent, inside.sigterm, nowMs),
    };
  }

  /** Where the kernel ends one process, a tool that the agent started may be that. */
  #isSpared({ agent, level, reading, processes }: Situation): boolean {
    if (!atLeast(level, 'warning')) this.#victim.reset();
    if (this.#deps.endsAll || !atLeast(level, 'warning')) return false;
    const { limitBytes } = reading;
    const leftBytes = limitBytes - unreclaimableBytes(reading);
    return this.#victim.isTool({
      agentPid: this.#receiver.pid ?? agent.info.pid,
      processes,
      limitBytes,
      leftBytes,
    });
  }

  /** Cancelled unless it still has to end. A collection that runs decides nothing yet. */
  #reconsider(input: RecycleInput): void {
    const verdict = this.#plan.reconsider(input);
    this.#judgedMs = input.nowMs;
    this.#mayBreak = this.#plan.mayBreak(input);
    this.#needed = verdict.kill;
    if (verdict.kill) this.#neededMs = input.nowMs;
    else if (
      verdict.why.code === 'gc_frees' ||
      (!verdict.open && input.nowMs - this.#neededMs >= CALL_OFF_MS)
    )
      this.#running?.callOff(describeStanding(verdict.why));
  }

  async #recycle(agent: AgentProcess, inside: Inside, reason: string): Promise<void> {
    const { clock, log, recycled } = this.#deps;
    const target = this.#receiver.pid;
    if (target === null) {
      this.#plan.refused();
      log('warn', `not recycled, although ${reason}: the target process of SIGTERM is ambiguous`);
      return;
    }
    this.#draining = { code: 'recycling', message: reason };
    log('warn', `recycling pid ${target}: ${reason}`);
    let sent = false;
    let wait = '';
    let outcome: RecycleOutcome;
    try {
      this.#running = this.#deps.start(agent, target, {
        inFlight: () => inside.countInFlight(),
        endsInSeconds: () => inside.endsInSeconds,
        urgent: () => this.#urgent(),
        mayBreak: () => this.#mayBreak,
        noticed: () => this.#isNoticed(),
        needed: () => this.#needed && clock.now() - this.#neededMs <= NEEDED_MS,
        judged: () => clock.now() - this.#judgedMs <= JUDGED_MS,
        alive: () => this.#life === agent && agent.alive(),
        terminated: () => {
          sent = true;
          this.#terminated = true;
          wait = this.#kubeletWait();
          this.#plan.terminated(clock.now());
        },
      });
      outcome = await this.#running.outcome;
    } catch (error) {
      this.#plan.refused();
      this.#draining = null; // else it would stay un-ready for good
      log('warn', `pid ${target} cannot be recycled: ${messageOf(error)}`);
      return;
    } finally {
      this.#running = undefined;
    }
    if (this.#ended) return;
    recycled(outcome.result);
    if (outcome.result === 'refused') this.#plan.refused();
    if (outcome.end.code === 'work_goes_on') this.#plan.workGoesOn(clock.now());
    if (this.#life === agent && agent.alive()) this.#stays(outcome, sent);
    // one that came to its end by itself, or was spared, was not recycled
    if (outcome.result === 'cancelled' || outcome.result === 'ended_before')
      log('info', describeOutcome(outcome));
    else
      this.#found.push({
        reason: 'AgentRecycled',
        note: `Recycled: ${reason}. ${describeOutcome(outcome)}${wait}`,
      });
  }

  /** The agent is still there: as before where SIGTERM was not sent, with another program where a supervisor runs on. */
  #stays({ result, endedMs }: RecycleOutcome, sent: boolean): void {
    const { clock } = this.#deps;
    this.#draining = result === 'left_running' ? { code: 'left_running', afterMs: endedMs ?? 0 } : null;
    if (sent && result === 'ended') {
      this.#plan.born(clock.now());
      this.#terminated = false;
    }
    if (result === 'ended_before') this.#plan.refused(); // what was read of it is not to be trusted
  }

  /** How long the kubelet may wait before it starts the agent again if it ends now; `null` where somebody else restarts it. */
  get restartDelaySeconds(): number | null {
    return this.#deps.kubelet ? this.#plan.kubeletWaitSeconds(this.#deps.clock.now()) : null;
  }

  #kubeletWait(): string {
    const delay = this.restartDelaySeconds;
    return delay ? ` The kubelet may delay the restart by ${formatSeconds(delay)} (CrashLoopBackOff).` : '';
  }

  #isNoticed(): boolean {
    const { clock, notice } = this.#deps;
    return this.#closedMs !== null && notice.given(this.#closedMs, clock.now());
  }

  #urgent(): boolean {
    return this.#latest !== undefined && isUrgent(this.#latest);
  }
}
