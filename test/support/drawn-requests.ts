import type { GateEntry } from '../../src/core/pressure/gate/entry.ts';
import { Gate } from '../../src/core/pressure/gate/gate.ts';
import { random as seeded } from './memory-stories.ts';

const MB = 1e6;
const STEP_MS = 25;
const OBSERVE_MS = 50;
const USERS_WAIT_MS = 15_000;
const THRESHOLDS = { shedRatio: 0.85, criticalRatio: 0.92 };
const END_MS = 60_000;

/** A request of a simulated agent: what it holds while it runs, between which shares of its time it takes that, and the garbage that it makes. */
interface DrawnRequest {
  atMs: number;
  kind: string;
  heldBytes: number;
  /** Held for good. */
  keptBytes?: number;
  garbageBytes: number;
  /** Where it has a processor for itself when it needs one. */
  durationMs: number;
  takesFrom: number;
  takesUntil: number;
}

export interface DrawnLoad {
  name: (typeof DRAWN_KINDS)[number];
  limitBytes: number;
  baseBytes: number;
  /** So many make progress at once as if each was alone. */
  processors: number;
  /** What a request takes of the event loop before it begins, and a collection for each MB in use; nothing else happens meanwhile. */
  loop: { requestMs: number; collectionMs: number };
  requests: DrawnRequest[];
}

/** What a load is drawn as. */
export const DRAWN_KINDS = [
  'spike',
  'documents',
  'light',
  'streams',
  'late',
  'rests',
  'mixed',
  'index',
  'rush',
  'busy',
  'tools',
] as const;

export interface LoadOutcome {
  served: number;
  broken: number;
  /** Answered after its user has gone. */
  late: number;
  refused: number;
  kills: number;
  /** The longest wait of nine in ten that started, in milliseconds. */
  waitP90Ms: number;
}

/** A load of 24 s against an agent, drawn by seed: what is heavy is heavy for this agent's room. */
export function drawLoad(seed: number): DrawnLoad {
  const random = seeded(seed);
  const between = (low: number, high: number) => low + (high - low) * random();
  const spread = (low: number, high: number) => Math.exp(between(Math.log(low), Math.log(high)));
  const name = DRAWN_KINDS[Math.floor(random() * DRAWN_KINDS.length)] ?? 'light';
  const limitBytes = spread(192, 1024) * 2 ** 20;
  const baseBytes = between(70, 110) * MB;
  const room = limitBytes - baseBytes;
  const requests: DrawnRequest[] = [];
  const perSecond = spread(2, 12);
  for (let atMs = 0; atMs < 24_000; atMs += (-Math.log(1 - random()) * 1000) / perSecond)
    requests.push({
      atMs,
      kind: 'chat',
      heldBytes: spread(0.05, 1) * MB,
      garbageBytes: spread(0.2, 4) * MB,
      durationMs: spread(200, 3000),
      takesFrom: 0,
      takesUntil: between(0.1, 0.6),
    });
  const heavy = (atMs: number, kind: string, bytes: number, more: Partial<DrawnRequest> = {}) =>
    requests.push({
      atMs,
      kind,
      heldBytes: 0.65 * bytes,
      garbageBytes: 0.35 * bytes,
      durationMs: spread(400, 4000),
      takesFrom: 0,
      takesUntil: between(0.1, 0.6),
      ...more,
    });
  if (name === 'spike') {
    const count = Math.floor(spread(12, 80));
    const bytes = (between(1, 3) * room) / count;
    for (const startMs of [4000, 14_000])
      for (let i = 0; i < count; i++)
        heavy(startMs + between(0, 1000), random() < 0.5 ? 'chat' : 'tool', bytes * between(0.5, 1.5));
  }
  if (name === 'documents')
    for (let i = Math.floor(between(6, 16)); i > 0; i--)
      heavy(5000 + between(0, 2500), 'document', room * between(0.12, 0.5));
  if (name === 'streams')
    for (let i = 0; i < 60; i++) {
      const [heldBytes, garbageBytes] = [spread(0.1, 0.5) * MB, spread(0.5, 3) * MB];
      const times = { atMs: between(0, 8000), durationMs: between(5000, 14_000) };
      requests.push({ kind: 'stream', heldBytes, garbageBytes, takesFrom: 0, takesUntil: 0.05, ...times });
    }
  // a model thinks first, and what its tools find comes late
  if (name === 'late')
    for (let i = Math.floor(spread(8, 40)), bytes = (between(1, 3) * room) / i; i > 0; i--) {
      const takesFrom = between(0.3, 0.8);
      const takesUntil = between(takesFrom + 0.05, 1);
      const durationMs = spread(1500, 8000);
      heavy(5000 + between(0, 3000), 'chat', bytes, { durationMs, takesFrom, takesUntil });
    }
  // an index is loaded for good, by the same route
  if (name === 'rests') {
    const [ratio, pieces] = [between(0.75, 0.9), 10];
    const keptBytes = (ratio * limitBytes - baseBytes) / pieces;
    for (let i = 0; i < pieces; i++)
      heavy(i * 330, 'chat', 0.4 * keptBytes, { keptBytes, durationMs: spread(200, 1000) });
  }
  // documents by the route of all else, in an agent that has few processors for them
  if (name === 'mixed') {
    const count = Math.floor(between(6, 16));
    const bytes = (between(0.6, 2.2) * room) / count;
    const again = between(7000, 11_000);
    for (const startMs of [5000, 5000 + again])
      for (let i = 0; i < count; i++) {
        const takesFrom = between(0.1, 0.5);
        const takesUntil = between(takesFrom + 0.2, 1);
        heavy(startMs + between(0, 2500), 'chat', bytes * between(0.5, 1.5), { takesFrom, takesUntil });
      }
  }
  // an index that takes more while it is built than it keeps, there, too
  if (name === 'index') {
    const [ratio, pieces] = [between(0.7, 0.9), 10];
    const keptBytes = (ratio * limitBytes - baseBytes) / pieces;
    for (let i = 0; i < pieces; i++)
      heavy(i * 330, 'chat', between(0.5, 2) * keptBytes, {
        keptBytes,
        durationMs: spread(1000, 5000),
        takesUntil: between(0.6, 1),
      });
  }
  // large tool outputs, again and again, by the route of all else
  if (name === 'tools') {
    const [count, bytes] = [Math.floor(between(8, 16)), room * between(0.12, 0.35)];
    const everyMs = between(4000, 6000);
    for (let startMs = 3000; startMs < 22_000; startMs += everyMs)
      for (let i = 0; i < count; i++) {
        const durationMs = spread(250, 700);
        const times = { durationMs, takesFrom: between(0.1, 0.4), takesUntil: between(0.5, 0.9) };
        heavy(startMs + (2500 * i) / count + between(0, 160), 'chat', bytes * between(0.8, 1.2), times);
      }
  }
  // more and more users, who wait for a model with what a tool has found in memory, and fewer again
  const loop = { requestMs: 0, collectionMs: 0 };
  if (name === 'rush' || name === 'busy') {
    const [meanMs, ratio] = [spread(1500, 6000), between(0.4, 1.8)];
    const bytes = spread(0.7, 5) * MB;
    const most = (ratio * room) / bytes / (meanMs / 1000);
    for (let atMs = 0; atMs < 24_000; atMs += (-Math.log(1 - random()) * 1000) / most) {
      if (random() > (1 - Math.cos((2 * Math.PI * atMs) / 24_000)) / 2) continue;
      const durationMs = meanMs * between(0.9, 1.1);
      heavy(atMs, 'chat', bytes * between(0.7, 1.3), { durationMs, takesUntil: 0.01 });
    }
    // … in an agent that has a part of a processor
    if (name === 'busy') {
      loop.requestMs = (1000 * between(0.3, 1)) / most;
      loop.collectionMs = between(0.5, 2);
    }
  }
  const isBusy = name === 'spike' || name === 'late' || name === 'tools';
  const isSlow = name === 'mixed' || name === 'index';
  const processors = isBusy ? spread(6, 64) : isSlow ? spread(5, 24) : Number.POSITIVE_INFINITY;
  return {
    name,
    limitBytes,
    baseBytes,
    processors,
    loop,
    requests: requests.toSorted((a, b) => a.atMs - b.atMs),
  };
}

interface Running {
  request: DrawnRequest;
  cameMs: number;
  startMs: number;
  /** When the event loop comes to it. */
  turnMs: number;
  /** Of its time, 0…1. */
  done: number;
  entry?: GateEntry;
}

/** What a load makes of an agent whose limit is enforced: with the gate before it, or without. A kill breaks what is in flight. */
export function runLoad(
  { limitBytes, baseBytes, processors, loop, requests }: DrawnLoad,
  gated: boolean,
): LoadOutcome {
  const outcome: LoadOutcome = { served: 0, broken: 0, late: 0, refused: 0, kills: 0, waitP90Ms: 0 };
  const running = new Set<Running>();
  const waiting = new Set<Running>();
  const waits: number[] = [];
  let gate = new Gate();
  let garbage = 5 * MB;
  let kept = 0;
  let upMs = 0;
  let collectMs = Number.POSITIVE_INFINITY;
  let next = 0;
  let freeMs = 0;
  let observeMs = 0;

  const takenOf = ({ request: { takesFrom, takesUntil }, done }: Running) =>
    Math.min(1, Math.max(0, (done - takesFrom) / (takesUntil - takesFrom)));
  const heldBytes = () => {
    let bytes = baseBytes + kept;
    for (const each of running)
      bytes += (each.request.heldBytes + (each.request.keptBytes ?? 0)) * takenOf(each);
    return bytes;
  };
  const busy = (nowMs: number, ms: number) => {
    freeMs = Math.max(freeMs, nowMs) + ms;
    return freeMs;
  };
  const begin = (each: Running, nowMs: number) => {
    waiting.delete(each);
    each.startMs = nowMs;
    each.turnMs = busy(nowMs, loop.requestMs);
    running.add(each);
    waits.push(nowMs - each.cameMs);
  };
  const arrive = (request: DrawnRequest, nowMs: number) => {
    const each: Running = { request, cameMs: nowMs, startMs: nowMs, turnMs: nowMs, done: 0 };
    if (!gated) return begin(each, nowMs);
    each.entry = gate.enter(
      {
        kind: request.kind,
        heldBytes: 32 * 1024,
        admit: () => begin(each, now),
        refuse() {
          waiting.delete(each);
          outcome.refused++;
        },
      },
      nowMs,
    );
    if (each.entry.state === 'running') begin(each, nowMs);
    else if (each.entry.state === 'waiting') waiting.add(each);
    else outcome.refused++;
  };
  const end = (each: Running, nowMs: number) => {
    running.delete(each);
    garbage += each.request.heldBytes;
    kept += each.request.keptBytes ?? 0;
    if (nowMs - each.cameMs > USERS_WAIT_MS) outcome.late++;
    else outcome.served++;
    if (each.entry) gate.leave(each.entry, nowMs);
  };
  const kill = (nowMs: number) => {
    outcome.kills++;
    outcome.broken += running.size + waiting.size;
    running.clear();
    waiting.clear();
    garbage = 5 * MB;
    kept = 0;
    gate = new Gate();
    upMs = nowMs + 2000;
    freeMs = nowMs;
  };

  let now = 0;
  for (; now < END_MS && (next < requests.length || running.size + waiting.size > 0); now += STEP_MS) {
    const pace = STEP_MS * Math.min(1, processors / running.size);
    for (const each of running) {
      if (now < each.turnMs) continue;
      const done = Math.min(1, each.done + pace / each.request.durationMs);
      garbage += each.request.garbageBytes * (done - each.done);
      each.done = done;
    }
    const held = heldBytes();
    // V8 collects by itself
    if (garbage > Math.max(24 * MB, 0.35 * held)) {
      garbage *= 0.25;
      busy(now, (loop.collectionMs * held) / MB);
    }
    if (now >= collectMs) {
      garbage *= 0.15;
      busy(now, (loop.collectionMs * held) / MB);
      collectMs = Number.POSITIVE_INFINITY;
    }
    const usedBytes = heldBytes() + garbage;
    if (usedBytes > limitBytes) kill(now);
    if (now < freeMs) continue;
    for (const each of [...running]) if (each.done >= 1) end(each, now);
    if (gated && now >= observeMs) {
      observeMs = now + OBSERVE_MS;
      gate.observe({ uses: [{ usedBytes, limitBytes }], ...THRESHOLDS }, now);
      const worth = usedBytes > 0.75 * limitBytes && garbage > 0.04 * limitBytes; // as the guardian does
      if (worth && collectMs === Number.POSITIVE_INFINITY) collectMs = now + 120;
    }
    for (let request = requests[next]; request && request.atMs <= now; request = requests[++next])
      if (now < upMs) outcome.refused++;
      else arrive(request, now);
  }
  waits.sort((a, b) => a - b);
  outcome.waitP90Ms = waits[Math.floor(0.9 * waits.length)] ?? 0;
  return outcome;
}
