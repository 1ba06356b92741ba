import { styleText } from 'node:util';
import { formatBytes, formatSeconds } from '../core/lib/units.ts';
import type { Level } from '../core/model/status.ts';
import type { PostMortem } from '../core/report/post-mortem.ts';
import { killsOf, type Offered, type ReplicaRun } from './recording.ts';
import type { Replica } from './replica.ts';
import type { LogLine } from './wrapped-agent.ts';

const BAR = 16;
/** One agent in a line of readings, and what stands between two. */
const HALF = 51;
const BETWEEN = '   ';
const WIDTH = 108;
/** What V8 prints about itself when it gives up, all but the line that says why. */
const V8_DUMP = /^\s*$|^<---|^\[\d+:|^\s*\d+: 0x|^-----/;
const DEATHS = new Set(['AgentOOMKilled', 'AgentExited']);
const INDENT = ' '.repeat(9);
const COLORS = { ok: 'green', warning: 'yellow', shedding: 'red', critical: 'magenta' } as const;
const colored = process.stdout.isTTY && process.env.NO_COLOR === undefined;

type Style = Parameters<typeof styleText>[0];
const paint = (style: Style, text: string) => (colored ? styleText(style, text) : text);
const print = (text: string) => void process.stdout.write(`${text}\n`);

/** A heading between the acts. */
export function heading(text: string): void {
  print(`\n${paint('bold', text)}`);
}

export function say(text: string): void {
  print(paint('dim', text));
}

/** What the columns of the readings are. */
export function captions(names: readonly string[]): void {
  print(`${INDENT}${names.map((name) => paint('bold', name.padEnd(HALF))).join(BETWEEN)}`.trimEnd());
}

/** When, and for each agent: how full, what a balancer gets, requests served and conversations lost. */
export function reading(seconds: number, replicas: readonly Replica[]): void {
  print(`${clock(seconds)}  ${replicas.map(half).join(BETWEEN)}`);
}

/** What a load led to. */
export function outcome(name: string, run: ReplicaRun, offered: Offered): void {
  const { lost, elsewhere } = run.conversations;
  const kills = killsOf(run);
  const recycles = run.deaths.length - kills;
  const facts = [
    `${run.requests.served} of ${offered.requests} requests served`,
    `${lost} of ${offered.conversations} conversations lost`,
    `${elsewhere} sent to other replicas`,
    kills === 1 ? '1 kill' : `${kills} kills`,
    ...(recycles > 0 ? [recycles === 1 ? 'recycled once' : `recycled ${recycles} times`] : []),
  ];
  print(`  ${paint('bold', name.padEnd(18))} ${facts.join(', ')}`);
}

/** An event of the guardian, or a line of its log that matters. */
export function logLine({ event, level, msg }: LogLine, guarded: boolean): void {
  if (!guarded) {
    if (event !== undefined && DEATHS.has(event)) print(`${INDENT}${paint('red', `▸ alone: ${msg}`)}`);
    return;
  }
  if (event !== undefined) {
    print(`${INDENT}${paint(level === 'warn' ? 'yellow' : 'green', `▸ ${event}`)}`);
    for (const line of wrapped(msg)) print(`${INDENT}  ${line}`);
  } else if (level === 'raw' ? !V8_DUMP.test(msg) : level !== 'info' || msg.startsWith('the kernel enforces'))
    print(paint('dim', `${INDENT}${msg}`));
}

/** What the report of a death says. */
export function postMortem(report: PostMortem, exitStatus: number | null): void {
  const { reason, oomKills, readings, transitions, agent } = report;
  const last = transitions.findLast(({ to }) => to === 'shedding' || to === 'critical');
  const early = last ? Date.parse(report.at) - Date.parse(firstRefusal(report) ?? last.at) : undefined;
  print(`  ${paint('bold', reason)}`);
  print(
    `  agent            pid ${agent?.pid ?? '?'} (${agent?.name ?? '?'}), exit status ${exitStatus ?? '?'}`,
  );
  print(`  OOM kills        ${oomKills}, by the kernel's own count`);
  if (early !== undefined) print(`  /readyz was 503  ${formatSeconds(early / 1000)} before the end`);
  print(
    `  kept             ${readings.length} readings, ${transitions.length} changes of level, the biggest processes`,
  );
}

/** When the last un-ready stretch before the death began. */
function firstRefusal({ transitions }: PostMortem): string | undefined {
  const refused = (level: Level) => level === 'shedding' || level === 'critical';
  return transitions.findLast(({ from, to }) => refused(to) && !refused(from))?.at;
}

function half({ last, changes, users }: Replica): string {
  const { ratio = null, usedBytes = null, reclaimableBytes = null, level = 'ok' } = last?.status ?? {};
  const held = Math.max(0, (usedBytes ?? 0) - (reclaimableBytes ?? 0));
  const answer = changes.at(-1)?.answer ?? 'down';
  const state = paint(answer === 200 ? 'green' : ['red', 'bold'], String(answer).padEnd(4));
  const counts = `${String(users.served).padStart(4)} served ${String(users.lost).padStart(3)} lost`;
  return `${bar(ratio ?? 0, level)} ${formatBytes(held).padStart(8)} ${state} ${counts}`;
}

function bar(ratio: number, level: Level): string {
  const filled = Math.min(BAR, Math.round(ratio * BAR));
  return paint(COLORS[level], '█'.repeat(filled)) + paint('dim', '·'.repeat(BAR - filled));
}

function clock(seconds: number): string {
  return `${seconds.toFixed(1).padStart(5)} s`;
}

function wrapped(text: string): string[] {
  return text.match(new RegExp(`.{1,${WIDTH - INDENT.length - 2}}(?: |$)`, 'g')) ?? [text];
}
