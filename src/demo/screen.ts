import { styleText } from 'node:util';
import { formatBytes, formatSeconds } from '../core/lib/units.ts';
import type { Level } from '../core/model/status.ts';
import type { PostMortem } from '../core/report/post-mortem.ts';
import type { LogLine, Probe } from './guarded-agent.ts';

const BAR = 32;
const WIDTH = 108;
/** What V8 prints about itself when it gives up, all but the line that says why. */
const V8_DUMP = /^\s*$|^<---|^\[\d+:|^\s*\d+: 0x|^-----/;
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

/** One line: when, how full, which level, the answer of /readyz, where it is going, how many are talking. */
export function reading(seconds: number, { code, status }: Probe, conversations: number): void {
  const { level, ratio, usedBytes, reclaimableBytes, limitBytes } = status;
  if (ratio === null || limitBytes === null) {
    print(`${clock(seconds)}  ${status.reason}`);
    return;
  }
  const held = Math.max(0, (usedBytes ?? 0) - (reclaimableBytes ?? 0));
  const use = `${formatBytes(held).padStart(8)} of ${formatBytes(limitBytes)}`;
  const state = `${level.padEnd(8)}  ${paint(code === 200 ? 'green' : ['red', 'bold'], String(code))}`;
  const talking = `${String(conversations).padStart(2)} talking`;
  print(`${clock(seconds)}  ${bar(ratio, level)} ${use}  ${state}  ${talking}  ${outlook(status)}`.trimEnd());
}

/** An event of the guardian, or a line of its log that matters. */
export function logLine({ event, level, msg }: LogLine): void {
  if (event !== undefined) {
    print(`${INDENT}${paint(level === 'warn' ? 'yellow' : 'green', `▸ ${event}`)}`);
    for (const line of wrapped(msg)) print(`${INDENT}  ${line}`);
  } else if (level === 'raw' ? !V8_DUMP.test(msg) : level !== 'info' || msg.startsWith('the kernel enforces'))
    print(paint('dim', `${INDENT}${msg}`));
}

/** What the report of a death says. */
export function postMortem(report: PostMortem, exitStatus: number): void {
  const { reason, oomKills, readings, transitions, agent } = report;
  const last = transitions.findLast(({ to }) => to === 'shedding' || to === 'critical');
  const early = last ? Date.parse(report.at) - Date.parse(firstRefusal(report) ?? last.at) : undefined;
  print(`  ${paint('bold', reason)}`);
  print(`  agent            pid ${agent?.pid ?? '?'} (${agent?.name ?? '?'}), exit status ${exitStatus}`);
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

function bar(ratio: number, level: Level): string {
  const filled = Math.min(BAR, Math.round(ratio * BAR));
  return paint(COLORS[level], '█'.repeat(filled)) + paint('dim', '·'.repeat(BAR - filled));
}

function clock(seconds: number): string {
  return `${seconds.toFixed(1).padStart(5)} s`;
}

function outlook({ growthBytesPerSecond: growth, secondsToLimit }: Probe['status']): string {
  if (growth === null || growth === 0) return '';
  const rate = `${growth > 0 ? '+' : '−'}${formatBytes(Math.abs(growth))}/s`;
  return secondsToLimit === null ? rate : `${rate}, limit in ${formatSeconds(secondsToLimit)}`;
}

function wrapped(text: string): string[] {
  return text.match(new RegExp(`.{1,${WIDTH - INDENT.length - 2}}(?: |$)`, 'g')) ?? [text];
}
