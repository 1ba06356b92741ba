import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { MemoryMessage } from '../../src/core/model/hook-messages.ts';
import type { AgentHook } from '../../src/core/ports/agent-hook.ts';
import { until } from './cli.ts';
import { hookOf, listening, startHooked, temporary } from './hooked.ts';

/** So large that what is held back for 10,000 requests is a small share. */
const LIMIT_BYTES = 16 * 2 ** 30;

/** An agent with the hook, whose memory is what a test says. */
export interface Gated {
  pid: number;
  port: number;
  hook: AgentHook;
  output(): string;
  /** What the guardian says of its memory: so much of its limit. */
  memory(ratio: number): void;
  /** In flight and waiting, once that is so. */
  becomes(inFlight: number, waiting: number): Promise<void>;
}

/**
 * Starts a program that listens on `PORT` and prints that, with its gate at work: memory is at 97 % and rests, so that it serves one at
 * a time.
 */
export async function startGated(program: string, exempt: readonly string[] = []): Promise<Gated> {
  const hooks = await listening(temporary(), exempt);
  const agent = await startHooked(hooks.directory ?? '', program);
  await until(() => /port (\d+)/.test(agent.output()), 'the agent listens');
  const port = Number(/port (\d+)/.exec(agent.output())?.[1]);
  const hook = await hookOf(hooks, agent.pid);
  const memory = (ratio: number) => hook.send(messageOf(ratio));
  memory(0.97);
  return {
    ...{ pid: agent.pid, port, hook, memory },
    output: agent.output,
    becomes: (inFlight, waiting) =>
      until(async () => {
        const state = await hook.ask(1000);
        return state.inFlight === inFlight && state.waiting === waiting;
      }, `${inFlight} are in flight and ${waiting} wait`),
  };
}

function messageOf(ratio: number): MemoryMessage {
  return {
    ...{ type: 'memory', atMs: 0, level: ratio >= 0.92 ? 'critical' : 'ok', stuck: false, ratio },
    ...{ shedRatio: 0.85, criticalRatio: 0.92, growthPerSecond: 0, secondsToLimit: null, heap: null },
    ...{ usedBytes: ratio * LIMIT_BYTES, limitBytes: LIMIT_BYTES },
  };
}

/** Asks for a path; the answer's status and text. */
export function ask(
  port: number,
  path: string,
  { body, ...options }: { body?: string; signal?: AbortSignal; headers?: Record<string, string> } = {},
) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const asked = request(
      { port, path, agent: false, method: body === undefined ? 'GET' : 'POST', ...options },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text })).on('error', reject);
      },
    );
    asked.on('error', reject).end(body);
  });
}

/** Holds `/hold` until somebody asks for the health of it (which no gate holds back), and answers all else at once. */
export const HOLDS = `
const { createServer } = require('node:http');
const held = [];
let served = 0;
const server = createServer(async (request, response) => {
  const { url } = request;
  if (url === '/healthz') { held.shift()?.(); return response.end(String(held.length)); }
  let bytes = 0;
  for await (const chunk of request) bytes += chunk.length;
  if (url === '/hold') await new Promise((resolve) => held.push(resolve));
  response.end(url + ' ' + bytes + ' ' + ++served);
}).listen(0, () => console.log('port ' + server.address().port));
`;

/** A connection over which so much is sent, and what has come back. */
export function raw(port: number, text: string): Socket & { text(): string } {
  let received = '';
  const socket: Socket = connect({ port }, () => socket.write(text));
  socket.on('data', (chunk) => (received += chunk)).on('error', () => {});
  onTestFinished(() => void socket.destroy());
  return Object.assign(socket, { text: () => received });
}
export const lines = (...paths: string[]) =>
  paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');
