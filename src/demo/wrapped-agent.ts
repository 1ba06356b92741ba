import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Status } from '../core/model/status.ts';
import type { HistoryReport } from '../core/report/history-report.ts';
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

/** What is asked of agent and guardian once. */
export interface Probe {
  /** `/readyz` of the guardian, and how it sees the agent. */
  code: number;
  status: Status;
  /** Whether the agent's own `/healthz` answers. */
  healthy: boolean;
}

export interface WrappedAgentOptions {
  /** Whether anything is done about memory. Without it `spillway run` measures the agent, and starts it again after each death. */
  guarded: boolean;
  limit: string;
  recordDir: string;
  /** Flags for the agent's Node. */
  agentFlags: string[];
  onLog(line: LogLine): void;
}

/** `spillway run` around the demo agent, as a user would start it. */
export interface WrappedAgent {
  readonly agentUrl: string;
  /** For people to read. */
  readonly command: string;
  /** @returns nothing when the guardian does not answer any more */
  probe(): Promise<Probe | undefined>;
  history(): Promise<HistoryReport>;
  /** The reports of all its deaths, oldest first. */
  postMortems(): Promise<PostMortem[]>;
  readonly exited: Promise<number>;
  end(): Promise<void>;
}

const MEASURED_ONLY = '--gc off --profile off --recycle off --hook off';

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
export async function startWrappedAgent(options: WrappedAgentOptions): Promise<WrappedAgent> {
  const { guarded, limit, recordDir } = options;
  const command = `spillway run --limit ${limit} --restart on-failure --replicas many${guarded ? '' : ` ${MEASURED_ONLY}`}`;
  const flags = `${command.slice('spillway '.length)} --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --log-format json`;
  const child = spawn(
    process.execPath,
    [
      ...[SPILLWAY, ...flags.split(' '), '--record-dir', recordDir],
      ...['--', process.execPath, ...options.agentFlags, AGENT],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PORT: `${await freePort()}` } },
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
    command,
    exited,
    probe: () => probe(guardianUrl, agentUrl),
    history: async () => (await (await fetch(`${guardianUrl}/v1/history`)).json()) as HistoryReport,
    postMortems: () => postMortems(recordDir),
    end: async () => {
      end(child);
      await exited;
    },
  };
}

async function postMortems(recordDir: string): Promise<PostMortem[]> {
  const names = (await readdir(recordDir)).filter((file) => /^post-mortem-.*\.json$/.test(file));
  const texts = await Promise.all(names.map((name) => readFile(join(recordDir, name), 'utf8')));
  return texts.map((text) => JSON.parse(text) as PostMortem).sort((a, b) => (a.at < b.at ? -1 : 1));
}

async function probe(guardianUrl: string, agentUrl: string): Promise<Probe | undefined> {
  const health = ask(`${agentUrl}/healthz`);
  const readiness = await ask(`${guardianUrl}/readyz`);
  if (!readiness) return undefined; // it has ended: `exited` tells how
  return {
    code: readiness.status,
    status: (await readiness.json()) as Status,
    healthy: (await health)?.ok === true,
  };
}

function ask(url: string): Promise<Response | undefined> {
  return fetch(url, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
}

/** The agent comes back at the same address. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
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
