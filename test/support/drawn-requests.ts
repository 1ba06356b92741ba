import type { GateEntry } from '../../src/core/pressure/gate/entry.ts';
import { Gate } from '../../src/core/pressure/gate/gate.ts';
import { random as seeded } from './memory-stories.ts';

const MB = 1e6;
const STEP_MS = 25;
const OBSERVE_MS = 50;
const USERS_WAIT_MS = 15_000;
const THRESHOLDS = { shedRatio: 0.85, criticalRatio: 0.92 };
const END_MS = 60_000;

/** A request of a simulated agent: what it holds while it runs, from which share of its time on, and the garbage that it makes. */
interface DrawnRequest {
  atMs: number;
  kind: string;
  heldBytes: number;
  garbageBytes: number;
  durationMs: number;
  shownShare: number;
}

export interface DrawnLoad {
  name: 'spike' | 'documents' | 'light' | 'streams';
  limitBytes: number;
  baseBytes: number;
  requests: DrawnRequest[];
}

export interface LoadOutcome {
  served: number;
  broken: number;
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
  const names = ['spike', 'documents', 'light', 'streams'] as const;
  const name = names[Math.floor(random() * names.length)] ?? 'light';
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
      shownShare: between(0.1, 0.6),
    });
  const heavy = (atMs: number, kind: string, bytes: number) =>
    requests.push({
      atMs,
      kind,
      heldBytes: 0.65 * bytes,
      garbageBytes: 0.35 * bytes,
      durationMs: spread(400, 4000),
      shownShare: between(0.1, 0.6),
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
      const times = { atMs: between(0, 8000), durationMs: between(5000, 14_000), shownShare: 0.05 };
      requests.push({ kind: 'stream', heldBytes, garbageBytes, ...times });
    }
  return { name, limitBytes, baseBytes, requests: requests.toSorted((a, b) => a.atMs - b.atMs) };
}

interface Running {
  request: DrawnRequest;
  cameMs: number;
  startMs: number;
  made: number;
  entry?: GateEntry;
}

/** What a load makes of an agent whose limit is enforced: with the gate before it, or without. A kill breaks what is in flight. */
export function runLoad({ limitBytes, baseBytes, requests }: DrawnLoad, gated: boolean): LoadOutcome {
  const outcome: LoadOutcome = { served: 0, broken: 0, refused: 0, kills: 0, waitP90Ms: 0 };
  const running = new Set<Running>();
  const waiting = new Set<Running>();
  const waits: number[] = [];
  let gate = new Gate();
  let garbage = 5 * MB;
  let upMs = 0;
  let collectMs = Number.POSITIVE_INFINITY;
  let next = 0;

  const heldBytes = (nowMs: number) => {
    let bytes = baseBytes;
    for (const { request, startMs } of running) {
      const done = (nowMs - startMs) / request.durationMs / request.shownShare;
      bytes += request.heldBytes * Math.min(1, done);
    }
    return bytes;
  };
  const begin = (each: Running, nowMs: number) => {
    waiting.delete(each);
    each.startMs = nowMs;
    running.add(each);
    waits.push(nowMs - each.cameMs);
  };
  const arrive = (request: DrawnRequest, nowMs: number) => {
    const each: Running = { request, cameMs: nowMs, startMs: nowMs, made: 0 };
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
    if (nowMs - each.cameMs > USERS_WAIT_MS) outcome.broken++;
    else outcome.served++;
    if (each.entry) gate.leave(each.entry, nowMs);
  };
  const kill = (nowMs: number) => {
    outcome.kills++;
    outcome.broken += running.size + waiting.size;
    running.clear();
    waiting.clear();
    garbage = 5 * MB;
    gate = new Gate();
    upMs = nowMs + 2000;
  };

  let now = 0;
  for (; now < END_MS && (next < requests.length || running.size + waiting.size > 0); now += STEP_MS) {
    for (const each of running) {
      const made = each.request.garbageBytes * Math.min(1, (now - each.startMs) / each.request.durationMs);
      garbage += made - each.made;
      each.made = made;
    }
    const held = heldBytes(now);
    if (garbage > Math.max(24 * MB, 0.35 * held)) garbage *= 0.25; // V8 collects by itself
    if (now >= collectMs) {
      garbage *= 0.15;
      collectMs = Number.POSITIVE_INFINITY;
    }
    const usedBytes = heldBytes(now) + garbage;
    if (usedBytes > limitBytes) kill(now);
    for (const each of [...running]) if (now - each.startMs >= each.request.durationMs) end(each, now);
    if (gated && now % OBSERVE_MS === 0) {
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
