import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { makePrivateCgroup } from '../../../src/wrap/private-cgroup.ts';

/** What the bench was asked for. */
export interface Setting {
  /** Binaries to measure with; the first is the one that runs the bench. */
  nodes: string[];
  /** The built command. */
  dist: string;
  runs: number | undefined;
  seconds: number | undefined;
}

export interface Running {
  child: ChildProcess;
  pid: number;
  /** Waits for a line of its output that matches. */
  line(pattern: RegExp): Promise<RegExpMatchArray>;
  exited: Promise<unknown>;
  end(): Promise<void>;
}

const IDLE_LIMIT_BYTES = 512 * 2 ** 20;

const running = new Set<ChildProcess>();

/** The main process; `inside` is the `cgroup.procs` file of the group that it is to be born in. */
export function launch(command: string, args: readonly string[], inside?: string): Running {
  const [file, all] = inside
    ? ['sh', ['-c', 'echo $$ > "$0" && exec "$@"', inside, command, ...args]]
    : [command, [...args]];
  const child = spawn(file, all as string[], { stdio: ['pipe', 'pipe', 'pipe'] });
  running.add(child);
  child.stdin.on('error', () => {}); // it was killed: that is what some parts wait for
  let text = '';
  const hear = (data: Buffer) => {
    text += data;
    child.emit('heard');
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const exited = once(child, 'exit').then(() => {
    running.delete(child);
    child.emit('heard');
  });
  return {
    child,
    pid: child.pid ?? 0,
    exited,
    async line(pattern) {
      for (;;) {
        const found = text.match(pattern);
        if (found) return found;
        if (!running.has(child)) throw new Error(`${command} ${args.join(' ')} ended: ${text}`);
        await once(child, 'heard');
      }
    },
    async end() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Ends whatever still runs. */
export function endAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

export const nodeVersion = (node: string): string =>
  execFileSync(node, ['--version'], { encoding: 'utf8' }).trim().slice(1);

/** One of the small programs that Spillway is measured beside. */
export const program = (name: string): string =>
  join(process.env['BENCH_HOME'] ?? '.', 'programs', `${name}.mjs`);

/** Something to guard that does nothing, far from the limit of a cgroup of its own where one may be made. */
export function launchIdle(): Running {
  const { group } = makePrivateCgroup({ limitBytes: IDLE_LIMIT_BYTES });
  const idle = launch('sleep', ['100000'], group && `${group.directory}/cgroup.procs`);
  return {
    ...idle,
    async end() {
      await idle.end();
      await group?.remove();
    },
  };
}

/** An agent at rest in a cgroup of its own, at a share of its limit. */
export async function launchResting(node: string, limitBytes: number, rest: number): Promise<Running> {
  const { group, reasons } = makePrivateCgroup({ limitBytes });
  if (!group) throw new Error(`the agent needs a cgroup of its own: ${reasons.join('; ')}`);
  const { directory, version } = group;
  const usageFile = `${directory}/memory.${version === 1 ? 'usage_in_bytes' : 'current'}`;
  const args = [program('grower'), `${rest * limitBytes}`, '0', usageFile];
  const agent = launch(node, args, `${directory}/cgroup.procs`);
  await agent.line(/resting/);
  return {
    ...agent,
    async end() {
      await agent.end();
      await group.remove();
    },
  };
}

const LISTENING = /listening on http:\/\/[\d.]+:(\d+)/;

/** Starts `spillway guard` on a free port. */
export async function launchGuard(
  { dist }: Pick<Setting, 'dist'>,
  node: string,
  agentPid: number,
  inside?: string,
): Promise<Running & { port: number }> {
  const args = [join(dist, 'spillway.js'), 'guard', '--agent', `pid:${agentPid}`, '--listen', '127.0.0.1:0'];
  return withPort(launch(node, args, inside));
}

/** Starts one of our programs that opens a port. */
export const launchServer = (node: string, name: string, args: readonly string[] = [], inside?: string) =>
  withPort(launch(node, [program(name), ...args], inside));

async function withPort(started: Running): Promise<Running & { port: number }> {
  const found = await started.line(LISTENING);
  return { ...started, port: Number(found[1]) };
}
