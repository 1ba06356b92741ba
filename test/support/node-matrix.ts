import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { connectInspector } from '../../src/adapters/inspector-client.ts';
import { SpillwayError } from '../../src/core/lib/errors.ts';
import { parseListening } from '../../src/core/proc/socket-table.ts';
import { createNodeClient, type NodeClient, type NodeClientOptions } from '../../src/runtimes/node/client.ts';
import type { NodeSignals } from '../../src/runtimes/node/signals.ts';
import { createInspectorTarget } from '../../src/sources/inspector/target.ts';
import { type Started, start, until } from './started.ts';

/** One Node to test with. */
export interface NodeBinary {
  bin: string;
  /** `v20.20.2` */
  version: string;
  major: number;
}

/** The Node that runs the tests, and those that TEST_NODES (a list like PATH) names. */
export const NODES: readonly NodeBinary[] = [
  process.execPath,
  ...(process.env['TEST_NODES'] ?? '').split(':').filter((bin) => bin !== ''),
].map((bin) => {
  const version = execFileSync(bin, ['--version'], { encoding: 'utf8' }).trim();
  return { bin, version, major: Number.parseInt(version.slice(1), 10) };
});

export const agentFile = (kind: 'cjs' | 'mjs') =>
  fileURLToPath(new URL(`agents/node-agent.${kind}`, import.meta.url));

/** What a young process needs before it may be sent a signal. */
export const OLD_ENOUGH_MS = 700;

/** Starts a Node program that is ended with the test; by default it is old enough to be sent a signal when this returns. */
export async function startNode(
  bin: string,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; settle?: boolean } = {},
): Promise<Started> {
  const begun = performance.now();
  const agent = await start(bin, args, {
    awaitOutput: true,
    env: { PATH: process.env['PATH'], ...options.env },
  });
  onTestFinished(agent.kill);
  if (options.settle !== false) await until(() => performance.now() - begun > OLD_ENOUGH_MS);
  return agent;
}

const ALLOWED: NodeSignals = { refusal: () => undefined, sent: () => {}, answered: () => {} };
/** `gc: inspect-only`. */
export const NO_SIGNALS: NodeSignals = {
  ...ALLOWED,
  refusal: () => new SpillwayError('refused', 'no open inspector', { hint: 'start it with --inspect' }),
};

/** A hand in a process, let go with the test. */
export function clientOf(pid: number, options: Partial<NodeClientOptions> = {}): NodeClient {
  const client = createNodeClient({
    target: createInspectorTarget({ procRoot: '/proc', pid }),
    connect: connectInspector,
    signals: ALLOWED,
    ...options,
  });
  onTestFinished(() => client.release());
  return client;
}

/** The ports at which a process takes TCP connections, lowest first; none once it is gone. */
export function portsOf(pid: number): number[] {
  const read = (file: string) => unlessGone(() => readFileSync(`/proc/${pid}/${file}`, 'utf8')) ?? '';
  const files = unlessGone(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  const held = new Set(files.map((fd) => unlessGone(() => readlinkSync(`/proc/${pid}/fd/${fd}`))));
  const listening = ['net/tcp', 'net/tcp6'].flatMap((table) => parseListening(read(table)));
  const ports = listening.filter(({ inode }) => held.has(`socket:[${inode}]`)).map(({ port }) => port);
  return [...new Set(ports)].sort((a, b) => a - b);
}

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** Whether a process lives and is not stopped. */
export function lives(pid: number): boolean {
  try {
    return !/^State:\s+[TtZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
