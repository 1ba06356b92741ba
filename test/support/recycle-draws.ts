import { DEFAULT_JUDGEMENT, Judge } from '../../src/core/pressure/judge.ts';
import { atLeast } from '../../src/core/pressure/level.ts';
import type { CollectionState } from '../../src/core/recycle/foreseen-kill.ts';
import { type RecycleInput, RecyclePlan } from '../../src/core/recycle/plan.ts';
import { normal, random } from './memory-stories.ts';
import { readingOf } from './reading.ts';

const STEP_MS = 200;
const LIMIT_MIB = 512;
const MIB = 2 ** 20;
/** A balancer notices readiness so late, at most. */
const NOTICED_MS = 1_300;
const LONGEST_DRAIN_MS = 10_000;
/** Each collection takes so long to be due again. */
const COLLECT_EVERY_MS = 2_000;
const COUNT_EVERY_MS = 250;

/** One agent, drawn; ratios of the limit, seconds. */
export interface Draw {
  kind: Kind;
  /** Kept memory at the start, and what each request keeps, by what is kept already and when it ends. */
  base: number;
  keeps: (kept: number, second: number) => number;
  /** Kept in each second without requests. */
  leaks: number;
  /** Held by a request until its end. */
  holds: number;
  /** Garbage of each request, and where V8 collects it by itself. */
  garbage: number;
  collectsAt: number;
  /** How long a request takes, and how many begin in a second. */
  takes: number;
  rate: (second: number) => number;
  noise: number;
}

export const KINDS = [
  'flat',
  'garbage',
  'burst',
  'plateau',
  'steps to a plateau',
  'grows',
  'grows with lulls',
  'spikes',
  'leaks',
] as const;
export type Kind = (typeof KINDS)[number];

/** What becomes of it within so many seconds. */
export interface Fate {
  end: 'recycled' | 'killed' | 'lives';
  second: number;
  ratio: number;
  /** Requests broken by that end. */
  broken: number;
  refused: number;
  served: number;
}

/** A draw of that kind by its number. */
export function drawn(kind: Kind, seed: number): Draw {
  const uniform = random(seed * 31 + KINDS.indexOf(kind));
  const between = (low: number, high: number) => low + (high - low) * uniform();
  const log = (low: number, high: number) => low * (high / low) ** uniform();
  const [busy, lull, takes] = [log(2, 15), between(3, 40), log(0.05, 2)];
  const [busyFor, phase] = [between(4, 40), between(0, 20)];
  const withLulls = (second: number) => ((second + phase) % (busyFor + lull) < busyFor ? busy : 0);
  const plain: Draw = {
    kind,
    ...{ base: between(0.15, 0.4), keeps: () => 0, leaks: 0, holds: log(0.0005, 0.01) },
    ...{ garbage: 0, collectsAt: 1, takes, rate: () => busy, noise: between(0, 0.003) },
  };
  const mean = busy * (busyFor / (busyFor + lull));
  const fills = log(10, 300); // seconds from base to the limit or plateau, of work
  const top = between(0.76, 0.93);
  const space = top - 0.02 - plain.base;
  switch (kind) {
    case 'flat':
      return { ...plain, base: between(0.4, 0.92), rate: withLulls };
    case 'garbage':
      return { ...plain, garbage: log(0.002, 0.02), collectsAt: between(0.6, 0.95), rate: withLulls };
    case 'burst': {
      const seconds = log(0.5, 7);
      const rate = (second: number) => (second < 20 ? busy : second < 20 + seconds ? 40 : busy / 4);
      const step = space / (40 * seconds);
      return { ...plain, rate, holds: 0.0005, keeps: (kept, at) => (at >= 20 && kept < top ? step : 0) };
    }
    case 'plateau': {
      const step = space / (fills * busy);
      const curved = uniform() < 0.6;
      const keeps = (kept: number) => (curved ? (3 * step * (top - kept)) / space : kept < top ? step : 0);
      return { ...plain, keeps, rate: uniform() < 0.5 ? withLulls : plain.rate };
    }
    case 'steps to a plateau': {
      const steps = Math.ceil(between(1, 6));
      const every = between(5, 40);
      const rate = (second: number) => (second > 15 && (second - 15) % every < 1.5 ? 20 : 0.5);
      return { ...plain, rate, keeps: (kept) => (kept < top ? space / steps / 30 : 0) };
    }
    case 'grows':
      return { ...plain, keeps: () => (1 - plain.base) / (fills * busy) };
    case 'grows with lulls':
      return { ...plain, keeps: () => (1 - plain.base) / (fills * mean), rate: withLulls };
    case 'spikes': {
      const [every, count] = [between(6, 40), between(10, 40)];
      const rate = (second: number) => (second > 15 && (second - 15) % every < 1.5 ? count / 1.5 : 0.5);
      const step = between(0.08, 0.3) / count;
      return { ...plain, rate, holds: between(0.02, 0.1) / count, keeps: () => step };
    }
    case 'leaks':
      return { ...plain, leaks: (1 - plain.base) / log(30, 400), rate: () => (uniform() < 0.5 ? 0 : 1) };
  }
}

interface Request {
  endsMs: number;
}

/** @param guarded else it is let go to its end, with collections alone */
export function live(draw: Draw, seed: number, { seconds = 300, guarded = true } = {}): Fate {
  const uniform = random(seed + 77);
  const judge = new Judge(DEFAULT_JUDGEMENT, 0);
  judge.agentFound();
  const plan = new RecyclePlan({
    ...{ mode: 'auto', restarted: true, thresholds: DEFAULT_JUDGEMENT, turn: null, kubelet: false },
  });
  plan.born(0);
  let requests: Request[] = [];
  let [kept, garbage, refused, served, started] = [draw.base, 0, 0, 0, 0];
  let collections: CollectionState = 'pending';
  let [collectedMs, countedMs, cpuMs] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  let [counted, cores, cpuCores] = [null as number | null, 0, 0];
  let drain: { sinceMs: number; neededMs: number } | null = null;
  let closedMs: number | null = null;
  let admitsMs = 0;

  const fate = (end: Fate['end'], nowMs: number, ratio: number, broken: number): Fate => {
    return { end, second: nowMs / 1000, ratio, broken, refused, served };
  };
  for (let nowMs = 0; nowMs < seconds * 1000; nowMs += STEP_MS) {
    // the balancer follows readiness a second later
    const ready = !guarded || (judge.ready && !drain);
    if (ready) closedMs = null;
    else closedMs ??= nowMs;
    if (ready) admitsMs = nowMs;
    const admits = nowMs - admitsMs < 1_000;
    started += (draw.rate(nowMs / 1000) * STEP_MS) / 1000;
    const before = served;
    while (started >= uniform()) {
      started--;
      if (admits) requests.push({ endsMs: nowMs + draw.takes * 1000 * (0.5 + uniform()) });
      else refused++;
    }
    requests = requests.filter(({ endsMs }) => {
      if (endsMs > nowMs) return true;
      kept += draw.keeps(kept, nowMs / 1000);
      garbage += draw.garbage;
      served++;
      return false;
    });
    kept += (draw.leaks * STEP_MS) / 1000;
    cores += 0.01 * (STEP_MS / 1000) + 0.02 * (served - before) + 0.01 * draw.leaks;
    if (nowMs - cpuMs >= 1_000) {
      cpuCores = cores / ((nowMs - cpuMs) / 1000);
      [cores, cpuMs] = [0, nowMs];
    }
    const ratioNow = () => kept + garbage + requests.length * draw.holds;
    if (ratioNow() >= draw.collectsAt) garbage = 0;
    const noise = draw.noise * normal(uniform);
    const ratio = ratioNow() + noise;
    if (ratio >= 1) return fate('killed', nowMs, ratio, requests.length);
    if (!guarded) {
      if (ratio >= DEFAULT_JUDGEMENT.warnRatio && nowMs % COLLECT_EVERY_MS === 0) garbage = 0;
      continue;
    }
    judge.step(readingOf(ratio * LIMIT_MIB, LIMIT_MIB), nowMs, {
      collecting: collections === 'pending' || collections === 'useful',
      collected: collections === 'useful',
      working: counted === null ? null : counted > 0,
    });
    const level = judge.memoryLevel;
    if (!atLeast(level, 'warning')) {
      [counted, collections] = [null, 'pending'];
      continue;
    }
    if (nowMs - collectedMs >= COLLECT_EVERY_MS) {
      collectedMs = nowMs;
      collections = garbage >= 0.05 ? 'useful' : 'useless';
      garbage = 0;
    }
    if (nowMs - countedMs >= COUNT_EVERY_MS) [counted, countedMs] = [requests.length, nowMs];
    const input: RecycleInput = {
      ...{ nowMs, level, heldBytes: ratio * LIMIT_MIB * MIB, limitBytes: LIMIT_MIB * MIB },
      secondsToLimit: judge.outlook.secondsToLimit,
      ...{
        risingSeconds: judge.risingSeconds,
        collections,
        freeHeapBytes: 0,
        inFlight: counted,
        running: requests.length,
        admittedPerSecond: null,
        waiting: null,
      },
      ...{ spared: false, handlesSigterm: true, ready: judge.ready, cpuCores },
      ...{
        usedBytes: ratio * LIMIT_MIB * MIB,
        heapLimited: false,
        heapBytes: null,
        endsInSeconds: null,
        leftRatio: null,
      },
    };
    if (!drain) {
      if (plan.decide(input).recycle) drain = { sinceMs: nowMs, neededMs: nowMs };
      continue;
    }
    const verdict = plan.reconsider(input);
    if (verdict.kill) drain.neededMs = nowMs;
    else if (!('open' in verdict && verdict.open) && nowMs - drain.neededMs >= 1_000) {
      drain = null;
      continue;
    }
    const quiet = counted === 0 && nowMs - (closedMs ?? nowMs) >= NOTICED_MS;
    const late = nowMs - drain.sinceMs >= LONGEST_DRAIN_MS || ratio >= 0.98;
    if (verdict.kill && (quiet || late)) return fate('recycled', nowMs, ratio, requests.length);
  }
  return fate('lives', seconds * 1000, kept, 0);
}
