import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { followLog, search } from './tools.ts';

/*
 * An agent as many are written: every conversation is kept in memory whole, tool outputs included, and sent to the model
 * in excerpts with each turn. It knows nothing of the guardian around it.
 *
 *   POST /chat {"session", "message"}   one turn: a tool call and an answer
 *   DELETE /chat/SESSION                the user leaves
 */

interface Message {
  role: 'user' | 'tool' | 'assistant';
  content: string;
}

interface Session {
  messages: Message[];
  idle: NodeJS.Timeout;
}

const IDLE_MS = 30_000;
const MODEL_MS = 120;
const EXCERPT_CHARS = 20_000;
const MAX_BODY_CHARS = 100_000;
/** Tool outputs: a search result of this many characters, and up to twice as many more. */
const TOOL_CHARS = 250_000;

const sessions = new Map<string, Session>();

function sessionOf(id: string): Session {
  const session = sessions.get(id) ?? { messages: [], idle: setTimeout(() => sessions.delete(id), IDLE_MS) };
  session.idle.refresh();
  sessions.set(id, session);
  return session;
}

function leave(id: string): void {
  clearTimeout(sessions.get(id)?.idle);
  sessions.delete(id);
}

async function turn({ messages }: Session, message: string): Promise<string> {
  messages.push({ role: 'user', content: message });
  if (/\bfollow the log\b/.test(message))
    for await (const page of followLog()) messages.push({ role: 'tool', content: page });
  messages.push({ role: 'tool', content: search(TOOL_CHARS * (1 + 2 * Math.random())) });
  const answer = await askModel(JSON.stringify(messages.map(excerpt)));
  messages.push({ role: 'assistant', content: answer });
  return answer;
}

/** The model gets the beginning of each message; the history keeps it whole, in case it is asked for. */
function excerpt({ role, content }: Message): Message {
  return { role, content: content.slice(0, EXCERPT_CHARS) };
}

/** Stands in for the model: takes its time with the prompt, and the prompt stays in memory that long. */
async function askModel(prompt: string): Promise<string> {
  await sleep(MODEL_MS);
  return `I have read some ${Math.round(prompt.length / 4)} tokens; the last line begins with ${prompt.slice(-200, -150)}.`;
}

async function bodyOf(request: IncomingMessage): Promise<{ session: string; message: string }> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    if (text.length <= MAX_BODY_CHARS) text += chunk; // what is too long is read to its end and not kept
  }
  if (text.length > MAX_BODY_CHARS) throw new RangeError('the body is too long');
  const { session, message } = JSON.parse(text);
  if (typeof session !== 'string' || typeof message !== 'string')
    throw new TypeError('session and message are missing');
  return { session, message };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const route = `${request.method} ${request.url}`;
  if (route === 'POST /chat') {
    const { session, message } = await bodyOf(request);
    const text = await turn(sessionOf(session), message);
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ answer: text }));
  } else if (route.startsWith('DELETE /chat/')) {
    leave(route.slice('DELETE /chat/'.length));
    response.writeHead(204).end();
  } else response.writeHead(404).end();
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    if (response.headersSent) response.destroy();
    else response.writeHead(400).end(String(error));
  });
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  process.stdout.write(`agent on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
