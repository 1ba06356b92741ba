import { type ChildProcess, spawn } from 'node:child_process';
import { onTestFailed, onTestFinished } from 'vitest';
import type { GcVerdict } from '../../src/core/model/gc-record.ts';
import { type CliOptions, type GuardianProcess, startGuardian, until } from './cli.ts';
import { agent, type Group } from './kernel.ts';
import { NODES } from './node-matrix.ts';

/** The Node that runs the tests, and the newest of those there are. */
export const TWO_NODES = NODES.filter((_, i) => i === 0 || i === NODES.length - 1);

/** Node opens its inspector on a free port: another program on this machine may have the usual one. */
export const FREE = '--inspect-port=0';

/** A guardian that can be asked to act, and what it has told. */
export interface Guarded extends GuardianProcess {
  /** Of the agent that is followed now. */
  agentPid(): Promise<number>;
  post(path: string): Promise<{ status: number; headers: Headers; body: Record<string, unknown> }>;
  /** What was said with each event of this reason. */
  notes(reason: string): string[];
  metric(sample: string): Promise<number>;
  /** Waits for a collection with this outcome. */
  collected(verdict: GcVerdict, withinMs?: number): Promise<void>;
}

/** Starts a guardian on free ports and waits until it follows an agent. */
export async function startGuarded(
  command: 'guard' | 'run',
  args: readonly string[],
  options: CliOptions = {},
): Promise<Guarded> {
  const guardian = await startGuardian(command, ['--admin-listen', '127.0.0.1:0', ...args], options);
  onTestFailed(() => {
    for (const { time, event, msg } of guardian.lines()) console.log(time, event ?? '', msg);
  });
  const agentPid = async () => (await guardian.status()).agent?.pid ?? 0;
  await until(async () => (await agentPid()) > 0, 'the agent is found');
  const admin = () =>
    guardian.lines().find(({ adminAddress }) => adminAddress !== undefined)?.['adminAddress'];
  await until(() => admin() !== undefined, 'it can be asked');
  return {
    ...guardian,
    agentPid,
    async post(path) {
      const answer = await fetch(`http://${admin()}${path}`, { method: 'POST' });
      const { status, headers } = answer;
      return { status, headers, body: (await answer.json()) as Record<string, unknown> };
    },
    notes: (reason) => guardian.lines().flatMap(({ event, msg }) => (event === reason ? [String(msg)] : [])),
    async metric(sample) {
      const text = await (await guardian.get('/metrics')).text();
      const line = text.split('\n').find((each) => each.startsWith(`${sample} `));
      return Number(line?.slice(sample.length + 1));
    },
    collected: (verdict, withinMs = 15_000) =>
      until(
        async () => (await guardian.status()).lastGc?.verdict === verdict,
        `a collection has the outcome "${verdict}"`,
        withinMs,
      ),
  };
}

/** The command line of one of the test programs on another Node. */
export const agentOn = (
  bin: string,
  flags: readonly string[],
  name: string,
  ...args: (string | number)[]
) => [bin, ...flags, ...agent(name, ...args).slice(1)];

/** Starts a command in a container; ended with the test. */
export function startIn(group: Pick<Group, 'enter'>, command: readonly string[]) {
  const [first = '', ...rest] = [...group.enter, ...command];
  const child: ChildProcess = spawn(first, rest, { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (data) => (text += data));
  return { child, text: () => text };
}
