import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GrowthReport } from '../../../src/core/model/growth-report.ts';
import { type Leak, makeLeaks, puts, tells, wordsOf } from '../support/leak-agents.ts';
import { median, table } from '../support/numbers.ts';
import { get } from '../support/probe.ts';
import { launch, nodeVersion, type Running, type Setting } from '../support/programs.ts';

export interface LeaksSetting extends Setting {
  /** Only these agents. */
  only?: string[];
}

const LIMIT = '256Mi';
const WARNING_WITHIN_MS = 60_000;
const NAMED_WITHIN_MS = 20_000;
/** A port of its own: the usual one may be held by another agent on this machine. */
const INSPECTOR = '--inspect-port=0';
const TO_REACH = 18;

interface Finding {
  leak: Leak;
  /** From the warning to the event with a name, in seconds; `undefined` when it never came. */
  seconds: number | undefined;
  /** Whether the event, the status and a profile asked for tell the right one. */
  event: boolean;
  status: boolean;
  profile: boolean;
  said: string;
}

/** Twenty agents that leak, each in its own way, and whether what they leak is named before they die of it. */
export async function leaks(setting: LeaksSetting): Promise<void> {
  const [node = process.execPath] = setting.nodes;
  const made = makeLeaks(process.env['BENCH_HOME'] ?? '.');
  const chosen = made.leaks.filter(({ name }) => setting.only?.includes(name) ?? true);
  const findings: Finding[] = [];
  try {
    for (const leak of chosen)
      for (let i = 0; i < (setting.runs ?? 1); i++) findings.push(await watch(setting, node, leak));
  } finally {
    made.remove();
  }
  const yes = (it: boolean) => (it ? 'yes' : 'no');
  table(`What leaks under ${LIMIT}, and whether it is named, Node ${nodeVersion(node)}`, [
    ['agent', 'to be named', 'event', 'status', 'asked', 'warning → name'],
    ...findings.map(({ leak, event, status, profile, seconds }) => [
      leak.name,
      wordsOf(leak.culprit),
      yes(event),
      yes(status),
      yes(profile),
      seconds === undefined ? '–' : `${seconds.toFixed(1)} s`,
    ]),
  ]);
  const right = findings.filter(({ event, status }) => event && status);
  const times = findings.flatMap(({ seconds }) => seconds ?? []);
  console.log(
    `\nnamed: ${right.length} of ${findings.length} (to reach: ${TO_REACH} of 20), ${median(times).toFixed(1)} s after the warning (p50)`,
  );
  for (const { leak, said } of findings.filter((finding) => !right.includes(finding)))
    console.log(`  ${leak.name}: ${said}`);
}

async function watch({ dist }: Setting, node: string, leak: Leak): Promise<Finding> {
  const guard = launch(node, [
    ...[join(dist, 'spillway.js'), 'run', '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0'],
    ...['--limit', LIMIT, '--', node, INSPECTOR, leak.program],
  ]);
  const finding: Finding = {
    leak,
    seconds: undefined,
    event: false,
    status: false,
    profile: false,
    said: '',
  };
  try {
    const port = Number((await guard.line(/"listening on http:\/\/[\d.]+:(\d+)/))[1]);
    const adminPort = Number((await guard.line(/"admin endpoint on http:\/\/[\d.]+:(\d+)/))[1]);
    const warned = await within(WARNING_WITHIN_MS, event(guard, 'MemoryPressureWarning'), 'no warning');
    const named = await within(NAMED_WITHIN_MS, event(guard, 'MemoryGrowthNamed'), 'no name');
    finding.seconds = (Date.parse(named.time) - Date.parse(warned.time)) / 1000;
    finding.event = tells(leak.culprit, named.msg);
    finding.said = named.msg;
    const { growth } = JSON.parse((await get(port, '/v1/status')) ?? '{}') as { growth?: GrowthReport };
    finding.status = growth !== undefined && puts(leak.culprit, growth);
    finding.profile = puts(leak.culprit, await askFor(adminPort));
  } catch (error) {
    finding.said ||= inShort((error as Error).message);
  } finally {
    guard.child.kill('SIGTERM');
    await Promise.race([guard.exited, sleep(5000, undefined, { ref: false })]);
    await guard.end();
  }
  return finding;
}

/** Of a whole log, what was told in it. */
function inShort(message: string): string {
  const told = [...message.matchAll(/"time":"[^T]*T([^"]*)Z".*"event":"(\w+)"/g)];
  return told.length > 0 ? told.map(([, time, reason]) => `${time} ${reason}`).join(', ') : message;
}

/** A line of the guardian's log. */
async function event(guard: Running, reason: string): Promise<{ time: string; msg: string }> {
  const [, line = ''] = await guard.line(new RegExp(`^(\\{.*"event":"${reason}".*\\})\\n`, 'm'));
  return JSON.parse(line) as { time: string; msg: string };
}

async function askFor(adminPort: number): Promise<GrowthReport> {
  const answer = await fetch(`http://127.0.0.1:${adminPort}/v1/profile?seconds=0`, { method: 'POST' });
  if (!answer.ok) throw new Error(`POST /v1/profile: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as GrowthReport;
}

async function within<T>(ms: number, work: Promise<T>, otherwise: string): Promise<T> {
  const ended = new AbortController();
  const late = sleep(ms, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`${otherwise} within ${ms / 1000} s`);
  });
  late.catch(() => {}); // the race was won by the work
  work.catch(() => {}); // it was lost, and the agent is ended
  try {
    return await Promise.race([work, late]);
  } finally {
    ended.abort();
  }
}
