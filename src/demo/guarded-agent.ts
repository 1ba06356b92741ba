import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Status } from '../core/model/status.ts';
import type { PostMortem } from '../core/report/post-mortem.ts';

const SPILLWAY = fileURLToPath(new URL('../spillway.js', import.meta.url));
const AGENT = fileURLToPath(new URL('./agent.js', import.meta.url));

/** One line of the guardian's log; `event` is there when it is one. */
export interface LogLine {
  level: string;
  time: string;
  msg: string;
  event?: string;
  address?: string;
}

/** `/readyz`, asked once. */
export interface Probe {
  code: number;
  status: Status;
}

export interface GuardedAgentOptions {
  limit: string;
  hold: string;
  recordDir: string;
  /** Flags for the agent's Node. */
  agentFlags: string[];
  onLog(line: LogLine): void;
}

/** `spillway run` around the demo agent, as a user would start it. */
export interface GuardedAgent {
  readonly agentUrl: string;
  /** @returns nothing when the guardian does not answer any more */
  probe(): Promise<Probe | undefined>;
  readonly exited: Promise<number>;
  end(): Promise<void>;
}

/** Whether the kernel can enforce `--limit` for a command started here, and if not, why: asks `spillway doctor`. */
export async function enforcement(): Promise<{ possible: boolean; detail: string }> {
  const doctor = spawn(process.execPath, [SPILLWAY, 'doctor', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  doctor.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(doctor, 'close');
  const { checks } = JSON.parse(text) as { checks: { check: string; status: string; detail: string }[] };
  const found = checks.find(({ check }) => check === 'limit enforcement');
  return { possible: found?.status === 'pass', detail: found?.detail ?? 'there is an agent of its own here' };
}

/** @throws when guardian or agent end before they listen */
export async function startGuardedAgent(options: GuardedAgentOptions): Promise<GuardedAgent> {
  const flags = `--limit ${options.limit} --hold ${options.hold} --listen 127.0.0.1:0 --log-format json`;
  const child = spawn(
    process.execPath,
    [
      ...[SPILLWAY, 'run', ...flags.split(' '), '--record-dir', options.recordDir],
      ...['--', process.execPath, ...options.agentFlags, AGENT],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const exited = once(child, 'exit').then(([code]) => Number(code ?? 1));
  let guardianUrl = '';
  const agentUrl = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (text) => {
      const line = parseLine(text);
      if (line.address !== undefined) guardianUrl = `http://${line.address}`;
      options.onLog(line);
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const url = /^agent on (\S+)$/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
    void exited.then((code) =>
      reject(new Error(`spillway ended with status ${code} before the agent listened`)),
    );
  });
  return {
    agentUrl,
    exited,
    probe: () => probe(guardianUrl),
    end: async () => {
      end(child);
      await exited;
    },
  };
}

/** The report of the agent's death from the record directory. */
export async function readPostMortem(recordDir: string): Promise<PostMortem | undefined> {
  const name = (await readdir(recordDir)).find((file) => file.startsWith('post-mortem-'));
  return name === undefined ? undefined : JSON.parse(await readFile(join(recordDir, name), 'utf8'));
}

async function probe(guardianUrl: string): Promise<Probe | undefined> {
  try {
    const response = await fetch(`${guardianUrl}/readyz`, { signal: AbortSignal.timeout(1000) });
    return { code: response.status, status: (await response.json()) as Status };
  } catch {
    return undefined; // it has ended: `exited` tells how
  }
}

function end(child: ChildProcess): void {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
}

/** What is no log line (an abort of V8, say) is passed through as text. */
function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { level: 'raw', time: new Date().toISOString(), msg: text };
  }
}
