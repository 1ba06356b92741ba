import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { followLog, search } from './tools.ts';

/*
 * An agent as many are written: conversations live in its memory, and a tool output is held whole until the model has
 * answered. It knows nothing of the guardian around it.
 *
 *   POST /chat {"session", "turn", "message"}   one turn: a tool call and an answer; 409 for a conversation that it does not have
 *   DELETE /chat/SESSION                        the user leaves
 *   GET /healthz                                its own health
 */

interface Message {
  role: 'user' | 'tool' | 'assistant';
  content: string;
}

interface Session {
  turns: number;
  messages: Message[];
  idle: NodeJS.Timeout;
}

interface Question {
  session: string;
  turn: number;
  message: string;
}

const IDLE_MS = 30_000;
const MODEL_MS = Number(process.env.MODEL_MS ?? 3000);
const EXCERPT_CHARS = 20_000;
const MAX_BODY_CHARS = 100_000;
const DEFAULT_KILOBYTES = 250;

const sessions = new Map<string, Session>();

/** @returns nothing when turns are missing: the conversation began in another process, or is forgotten */
function sessionOf({ session: id, turn }: Question): Session | undefined {
  const known = sessions.get(id);
  if ((known?.turns ?? 0) !== turn) return undefined;
  const session = known ?? { turns: 0, messages: [], idle: setTimeout(() => sessions.delete(id), IDLE_MS) };
  session.turns++;
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
  const kilobytes = Number(/\b(\d+) kB\b/.exec(message)?.[1] ?? DEFAULT_KILOBYTES);
  const outputs = [search(kilobytes * 1000)];
  if (/\bfollow the log\b/.test(message)) for await (const page of followLog()) outputs.push(page);
  const answer = await askModel(JSON.stringify([...messages, ...outputs.map(excerpt)]));
  messages.push(...outputs.map(excerpt), { role: 'assistant', content: answer });
  return answer;
}

/** The model and the history get the beginning of a tool output; a copy of it, as a slice would keep all of it in memory. */
function excerpt(output: string): Message {
  return { role: 'tool', content: Buffer.from(output.slice(0, EXCERPT_CHARS)).toString() };
}

/** Stands in for the model: takes its time with the prompt. */
async function askModel(prompt: string): Promise<string> {
  await sleep(MODEL_MS);
  return `I have read some ${Math.round(prompt.length / 4)} tokens; the last line begins with ${prompt.slice(-200, -150)}.`;
}

async function bodyOf(request: IncomingMessage): Promise<Question> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    if (text.length <= MAX_BODY_CHARS) text += chunk; // what is too long is read to its end and not kept
  }
  if (text.length > MAX_BODY_CHARS) throw new RangeError('the body is too long');
  const { session, turn, message } = JSON.parse(text);
  if (typeof session !== 'string' || typeof turn !== 'number' || typeof message !== 'string')
    throw new TypeError('session, turn or message is missing');
  return { session, turn, message };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const route = `${request.method} ${request.url}`;
  if (route === 'POST /chat') {
    const question = await bodyOf(request);
    const session = sessionOf(question);
    if (session) {
      const text = await turn(session, question.message);
      response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ answer: text }));
    } else response.writeHead(409).end('this conversation is not known');
  } else if (route.startsWith('DELETE /chat/')) {
    leave(route.slice('DELETE /chat/'.length));
    response.writeHead(204).end();
  } else if (route === 'GET /healthz') response.end('ok');
  else response.writeHead(404).end();
}

// as long as a user thinks, its connection stays
const server = createServer({ keepAliveTimeout: IDLE_MS }, (request, response) => {
  answer(request, response).catch((error: unknown) => {
    if (response.headersSent) response.destroy();
    else response.writeHead(400).end(String(error));
  });
});
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  process.stdout.write(`agent on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
