// Guards one agent as users do and watches from outside what that does to it. Runs in namespaces of its own, as a pod
// has them: ports and process ids are this agent's and its guardian's alone. Prints what it has seen as JSON.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lives, openPorts, ratioOf } from './outside.ts';
import type { Seen, Spec } from './spec.ts';
import { type Contact, parseGaps, stops } from './stops.ts';

const PROBES = 9797;
const ADMIN = 9798;
const SHED = 0.85;
const WARN = 0.75;
const STOP_MS = 250;
/** Between two readings of the same use. */
const TOLERANCE = 0.01;
/** After shedding, and so long after it, the probe may still say 503: hold, margin. */
const RECOVERED = 0.8;
const HOLD_MS = 7000;
const LOOK_MS = 100;
/** Where a dozen start at once on two cores. */
const UP_MS = 90_000;

const spec = JSON.parse(process.argv[2] ?? '') as Spec;
const { folder } = spec;
const interventions: string[] = [];
const ratios: { atMs: number; ratio: number }[] = [];
const begunMs = Date.now();

const env = { PATH: process.env['PATH'], HOME: folder, HARM_FOLDER: folder, ...spec.env };
const start = (command: readonly string[], group?: string): ChildProcess => {
  const enter = group ? ['sh', '-c', `echo 0 >${group}/cgroup.procs && exec "$@"`, 'sh'] : [];
  const user =
    spec.uid === undefined ? [] : ['setpriv', `--reuid=${spec.uid}`, `--regid=${spec.uid}`, '--clear-groups'];
  const [first = '', ...rest] = [...enter, ...user, ...command];
  const child = spawn(first, rest, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout?.resume();
  return child;
};

let log = '';
const cli = [process.execPath, '--import', spec.contacts, spec.cli];
const agent = spec.how === 'guard' ? start(spec.command, spec.group) : undefined;
agent?.stderr?.resume();
const guardian =
  spec.how === 'guard'
    ? start([...cli, 'guard'])
    : start([...cli, 'run', '--limit', `${spec.limitMiB}Mi`, '--', ...spec.command], spec.group);
guardian.stderr?.setEncoding('utf8').on('data', (text) => (log += text));
const group = () => spec.group ?? /enforces .* in ([^"]+)"/.exec(log)?.[1];

const say = (words: string) => {
  const atS = ((Date.now() - begunMs) / 1000).toFixed(1);
  if (interventions.length < 20)
    interventions.push(`${words} (${atS} s, at ${ratios.at(-1)?.ratio.toFixed(2)})`);
};
const answerOf = (port: number, path: string) =>
  new Promise<number>((resolve) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false, timeout: 5000 }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
    });
    request.once('error', () => resolve(0)).once('timeout', () => request.destroy());
  });
const ups = () =>
  readdirSync(folder).flatMap((name) => (/^up-(\d+)$/.exec(name) ? [Number(name.slice(3))] : []));

let shedMs = Number.NEGATIVE_INFINITY;
function read(): void {
  const at = group();
  if (at === undefined || !existsSync(at)) return; // not yet, or no longer
  const ratio = ratioOf(at);
  ratios.push({ atMs: Date.now(), ratio });
  if (ratio >= SHED - TOLERANCE || (ratio >= RECOVERED && Number.isFinite(shedMs))) shedMs = Date.now();
  else if (Date.now() - shedMs > HOLD_MS) shedMs = Number.NEGATIVE_INFINITY;
}

let answered = false;
const refusedAt: number[] = [];
async function probe(): Promise<void> {
  const code = await answerOf(PROBES, '/readyz');
  read();
  if (code === 200) answered = true;
  else if (code === 503 && answered && !Number.isFinite(shedMs)) refusedAt.push(Date.now());
}

const opened = new Set([PROBES, ADMIN, 8080, ...spec.ports]);
function lookAtPorts(): void {
  for (const port of openPorts()) {
    if (opened.has(port)) continue;
    opened.add(port);
    say(`port ${port} was opened`);
  }
}

let answers: { count: number; slowestMs: number } | undefined;
async function askSteadily(): Promise<void> {
  answers = { count: 0, slowestMs: 0 };
  for (;;) {
    const start = performance.now();
    const code = await answerOf(8080, '/');
    const tookMs = performance.now() - start;
    if (watching && code !== 200) say(`a request was answered ${code}`);
    answers = { count: answers.count + 1, slowestMs: Math.max(answers.slowestMs, tookMs) };
    await sleep(50 - Math.min(50, tookMs));
  }
}
function openStream(): void {
  const cut = () => watching && say('an answer was cut off');
  get({ host: '127.0.0.1', port: 8080, path: '/stream' }, (answer) => {
    answer.resume().once('close', cut);
  }).once('error', cut);
}

let watching = true;
async function watch(): Promise<string | undefined> {
  const root = agent ?? guardian;
  const upByMs = Date.now() + UP_MS;
  while (ups().length === 0 || group() === undefined) {
    if (Date.now() > upByMs || root.exitCode !== null) return `it never came up: ${log.slice(-2000)}`;
    await probe();
    lookAtPorts();
    await sleep(LOOK_MS);
  }
  if (spec.clients === 'steady') void askSteadily();
  if (spec.clients === 'stream') openStream();
  const endMs = Date.now() + spec.seconds * 1000;
  while (Date.now() < endMs) {
    const { exitCode, signalCode } = root;
    if (exitCode !== null || signalCode !== null) {
      say(`the agent ended (${signalCode ?? exitCode})`);
      return undefined;
    }
    if (guardian.exitCode !== null) return `the guardian ended: ${log.slice(-2000)}`;
    await probe();
    lookAtPorts();
    await sleep(LOOK_MS);
  }
  for (const pid of ups()) if (!lives(pid)) say(`process ${pid} ended`);
  return undefined;
}

const problem = await watch();
watching = false;
const endedMs = Date.now();
const notes = (name: string) =>
  (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '')
    .split('\n')
    .filter(Boolean);
const ratioAt = (atMs: number) => ratios.findLast((each) => each.atMs <= atMs)?.ratio ?? 0;

for (const heard of notes('heard')) say(`heard ${heard}`);
const contacts = notes('contacts')
  .map((line) => JSON.parse(line) as Contact)
  .filter(({ atMs }) => atMs < endedMs);
for (const contact of contacts) {
  if (!('signal' in contact)) continue;
  const { signal, pid, atMs } = contact;
  if (spec.attach && signal === 'SIGQUIT' && ratioAt(atMs) >= WARN - TOLERANCE) continue;
  say(`${signal} to ${pid} after ${((atMs - begunMs) / 1000).toFixed(1)} s at ${ratioAt(atMs).toFixed(2)}`);
}
if (refusedAt.length > 0)
  say(
    `${refusedAt.length} times 503 below the shed ratio, first at ${ratioAt(refusedAt[0] ?? 0).toFixed(2)}`,
  );
const gaps = ups().flatMap((pid) => {
  // while it comes up, an agent keeps itself busy
  const upMs = statSync(join(folder, `up-${pid}`)).mtimeMs;
  return readdirSync(folder)
    .filter((name) => name.startsWith(`gaps-${pid}-`))
    .flatMap((name) => parseGaps(notes(name).join('\n')))
    .filter(({ atMs, gapMs }) => atMs - gapMs > upMs && atMs < endedMs);
});
for (const { atMs, stopMs } of stops(gaps, contacts))
  if (stopMs > STOP_MS)
    say(
      `a stop of ${Math.round(stopMs)} ms after ${((atMs - begunMs) / 1000).toFixed(1)} s at ${ratioAt(atMs).toFixed(2)}`,
    );
for (const name of readdirSync(folder))
  if (/\.heapsnapshot$|^report\..*\.json$/.test(name)) say(`${name} was written`);

const rest = ratios.filter(({ atMs }) => atMs > endedMs - 5000).map(({ ratio }) => ratio);
const at = group();
const seen: Seen = {
  interventions,
  ...(problem === undefined ? {} : { problem }),
  restRatio: rest.reduce((sum, ratio) => sum + ratio, 0) / rest.length,
  highestRatio: Math.max(...ratios.map(({ ratio }) => ratio)),
  longestGapMs: Math.round(Math.max(0, ...gaps.map(({ gapMs }) => gapMs))),
  ...(answers && { answers }),
  events: [...log.matchAll(/"event":"(\w+)"/g)].map(([, reason = '']) => reason),
  ...(at === undefined ? {} : { group: at }),
};
process.stdout.write(JSON.stringify(seen));
guardian.kill('SIGTERM');
agent?.kill('SIGKILL');
const ended = new Promise((resolve) => guardian.once('exit', resolve));
if (guardian.exitCode === null) await Promise.race([ended, sleep(6000)]);
process.exit();
