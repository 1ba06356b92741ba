import { SpillwayError } from '../core/lib/errors.ts';
import { Admission, MAX_WEIGHT } from '../core/pressure/admission.ts';
import { ADVICE, type AdviceAction } from '../core/pressure/advice.ts';
import type { GateMemory } from '../core/pressure/gate/memory-room.ts';
import { DEFAULT_JUDGEMENT, type JudgeOptions } from '../core/pressure/judge.ts';
import { atLeast } from '../core/pressure/level.ts';
import { GATE_MEMORY } from './gate/memory-source.ts';
import { HeapFloor } from './hook/heap-floor.ts';
import { followHook, type HookSource } from './hook-source.ts';
import { Listeners } from './listeners.ts';
import { OwnReadings } from './own-readings.ts';
import { type Pressure, type PressureEvents, type PressureState, UNKNOWN } from './pressure.ts';
import { Sidecar } from './sidecar.ts';

/** What {@link connect} goes by. Everything has a default. */
export interface ConnectOptions {
  /**
   * Where the sidecar answers. Default: the environment variable `SPILLWAY_URL`, which `spillway run` sets, else
   * `http://127.0.0.1:9797`. `null`: do not look for one, own readings only.
   */
  url?: string | null | undefined;
  /** Own readings: the limit in bytes, where the kernel sets none or another is meant. Default: the kernel's. */
  limitBytes?: number | undefined;
  /** Own readings: the level is `warning` at or above this ratio. Default 0.75. */
  warnRatio?: number | undefined;
  /** At or above this ratio work is refused in part. Default 0.85; give what the sidecar was given. */
  shedRatio?: number | undefined;
  /** At or above this ratio all work is refused. Default 0.92; give what the sidecar was given. */
  criticalRatio?: number | undefined;
  /** Own readings: a level is left below its ratio less this. Default 0.05. */
  recoverMargin?: number | undefined;
  /** Own readings: a level is not left before this time in it, in milliseconds. Default 5,000. */
  hold?: number | undefined;
  /** Gets what a listener threw, and a `SpillwayError` when the URL is none. Default: ignored. */
  onError?: ((error: unknown) => void) | undefined;
}

const DEFAULT_URL = 'http://127.0.0.1:9797';
/**
 * How often the process looks at itself. A sidecar looks as often as it takes to see a burst before the kernel kills; a timer
 * in the process that bursts would not get its turn anyway. The burst is met where it begins: `accept` looks again.
 */
const TICK_MS = 250;
/** `accept` goes by readings no older than this; a fresh one costs about 5 µs. */
const FRESH_MS = 20;

/**
 * The memory pressure on this process: as its sidecar says, or, with none in reach, as its own cgroup does. Known at once, on
 * return. One per process is enough: share it.
 */
export function connect(options: ConnectOptions = {}): Pressure {
  return new ConnectedPressure(options);
}

class ConnectedPressure implements Pressure {
  readonly #listeners: Listeners;
  readonly #admission: Admission;
  readonly #own: OwnReadings;
  readonly #thresholds: Pick<JudgeOptions, 'shedRatio' | 'criticalRatio'>;
  readonly #heap = new HeapFloor();
  #gateMemory: { readMs: number; memory: GateMemory | null } | undefined;
  readonly #sidecar: Sidecar | undefined;
  #hook: HookSource | undefined;
  readonly #timer: NodeJS.Timeout;
  #heard: PressureState | undefined;
  #state: PressureState = UNKNOWN;
  #advised: AdviceAction = 'none';
  #closed = false;

  constructor(options: ConnectOptions) {
    const now = performance.now();
    const judgement = judgementOf(options);
    this.#listeners = new Listeners(options.onError);
    this.#admission = new Admission(judgement, Math.random());
    this.#thresholds = { shedRatio: judgement.shedRatio, criticalRatio: judgement.criticalRatio };
    this.#own = new OwnReadings(judgement, now, positive(options.limitBytes));
    const url = this.#streamUrl(options.url);
    if (url)
      this.#sidecar = new Sidecar(url, {
        state: (state) => this.#hear(state),
        advice: (action) => {
          if (this.#heard) this.#advise(action);
        },
      });
    // an address that is given is meant; else the hook, which is connected already, will do
    if (options.url === undefined) this.#hook = followHook((state) => this.#hear(state));
    this.#tick();
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  get level() {
    return this.#state.level;
  }
  get ratio() {
    return this.#state.ratio;
  }
  get secondsToLimit() {
    return this.#state.secondsToLimit;
  }
  get source() {
    return this.#heard ? 'sidecar' : 'own';
  }

  accept(weight?: number): boolean {
    if (this.#closed) return true;
    const now = performance.now();
    if (!this.#heard) this.#look(now);
    // the sidecar may shed from another ratio on than is set here: below `shedding` it sheds nothing
    if (!atLeast(this.level, 'shedding')) return true;
    const usable = Math.min(positive(weight) ?? 1, MAX_WEIGHT);
    return this.#admission.admit({ ...this.#state, blind: this.ratio === null }, usable);
  }

  on<E extends keyof PressureEvents>(event: E, listener: PressureEvents[E]): this {
    if (!this.#closed) this.#listeners.of(event)?.add(listener);
    return this;
  }

  off<E extends keyof PressureEvents>(event: E, listener: PressureEvents[E]): this {
    this.#listeners.of(event)?.delete(listener);
    return this;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#hook?.close();
    this.#sidecar?.close();
    this.#own.close();
    this.#listeners.clear();
    this.#heard = undefined;
    this.#state = UNKNOWN;
  }

  /** Memory for the gate, from own readings also while the sidecar speaks: its word is up to a second old. */
  [GATE_MEMORY](nowMs: number): GateMemory | null {
    if (this.#closed) return null;
    this.#look(nowMs);
    const { readMs, use } = this.#own;
    if (this.#gateMemory?.readMs !== readMs) {
      const memory = use && {
        uses: [use, ...this.#heap.use(use.limitBytes, nowMs)] as const,
        ...this.#thresholds,
      };
      this.#gateMemory = { readMs, memory };
    }
    return this.#gateMemory.memory;
  }

  /** Reads, where the last reading is too old. */
  #look(nowMs: number): void {
    if (nowMs - this.#own.readMs < FRESH_MS) return;
    const own = this.#own.read(nowMs);
    if (!this.#heard) this.#turnTo(own);
  }

  /** Own readings go on while the sidecar speaks: whenever it falls silent, level and trend are already known. */
  #tick(): void {
    const now = performance.now();
    const own = this.#own.read(now);
    if (this.#hook?.speaks) this.#sidecar?.pause();
    else this.#sidecar?.tick(now);
    if (!this.#heard) this.#turnTo(own);
  }

  #hear(state: PressureState | undefined): void {
    if (this.#closed) return;
    this.#heard = state;
    this.#turnTo(state ?? this.#own.read(performance.now()));
  }

  #turnTo(state: PressureState): void {
    const previous = this.#state.level;
    this.#state = state;
    if (state.level === previous) return;
    this.#listeners.emit('level', state.level, previous);
    this.#advise(ADVICE[state.level]);
  }

  /** Advice comes with each change of level and from the sidecar, too: only new advice is emitted. */
  #advise(action: AdviceAction): void {
    if (this.#closed || action === this.#advised) return;
    this.#advised = action;
    const { level, ratio, secondsToLimit } = this.#state;
    this.#listeners.emit('advice', { action, level, ratio, secondsToLimit });
  }

  #streamUrl(given: string | null | undefined): URL | undefined {
    if (given === null) return undefined;
    const base = String(given ?? (process.env['SPILLWAY_URL'] || DEFAULT_URL));
    const stream = `${base.replace(/\/+$/, '')}/v1/stream`;
    if (/^http:/i.test(stream) && URL.canParse(stream)) return new URL(stream);
    this.#listeners.complain(
      new SpillwayError(
        'config',
        `"${base}" is not the address of a sidecar: the agent's own readings are used`,
        {
          hint: `set SPILLWAY_URL or the option url to an http URL, for example ${DEFAULT_URL}`,
        },
      ),
    );
    return undefined;
  }
}

/** Nonsense counts as not given: the library must not stop an agent from starting. */
function judgementOf(options: ConnectOptions): JudgeOptions {
  const { warnRatio, shedRatio, criticalRatio, recoverMargin, hold } = DEFAULT_JUDGEMENT;
  return {
    ...DEFAULT_JUDGEMENT,
    warnRatio: positive(options.warnRatio) ?? warnRatio,
    shedRatio: positive(options.shedRatio) ?? shedRatio,
    criticalRatio: positive(options.criticalRatio) ?? criticalRatio,
    recoverMargin: amount(options.recoverMargin) ?? recoverMargin,
    hold: amount(options.hold) ?? hold,
  };
}

function amount(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 ? value : undefined;
}

function positive(value: unknown): number | undefined {
  return amount(value) || undefined;
}
