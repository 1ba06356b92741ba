// The world of the agents: an OpenAI-compatible model, and the sites their tools ask. The same question gets the same answer after
// the same time. What the user says decides: each `use NAME {"…"}` makes the model call that tool once, with these arguments, one
// after another.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const LEAST_MS = 50;
const MOST_MS = 300;
/** Longer than a run: a connection that is closed while it is used again breaks a request that no guard could save. */
const KEEP_ALIVE_MS = 600_000;
const WORD = 'memory pressure is a ratio of what is held to what may be held ';
const PAGE = Buffer.from(WORD.repeat(Math.ceil(2 ** 20 / WORD.length)));
const ANSWER = 'The pages say that all is well. '.repeat(4);

const DIFFERENT = Array.from({ length: 5000 }, (_, id) =>
  JSON.stringify({
    id,
    name: `customer ${id}`,
    tags: ['new', `group-${id % 97}`, 'checked'],
    address: {
      street: `${id % 300} Long Street`,
      city: `city ${id % 1000}`,
      zip: `${10_000 + (id % 80_000)}`,
    },
    balance: id * 1.25,
    open: id % 3 === 0,
  }),
);

/** By the beginning: a long text takes no longer to hash. */
const hash = (text) => [...text.slice(0, 500)].reduce((sum, c) => (sum * 31 + c.charCodeAt(0)) >>> 0, 7);
const latencyMs = (text) => LEAST_MS + (hash(text) % (MOST_MS - LEAST_MS));

const server = createServer(async (request, response) => {
  response.on('error', () => {}); // the agent was killed: nobody is left to answer
  try {
    await answer(request, response);
  } catch (error) {
    if (!request.destroyed || request.complete) throw error;
  }
});
server.keepAliveTimeout = KEEP_ALIVE_MS;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`);
});

async function answer(request, response) {
  const url = new URL(request.url, 'http://world');
  if (url.pathname === '/v1/chat/completions') return complete(request, response);
  const count = Number(url.searchParams.get('count'));
  if (url.pathname === '/pages') return page(count, response);
  if (url.pathname === '/records') return records(count, response);
  response.writeHead(404).end();
}

async function complete(request, response) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const { messages, tools, stream } = JSON.parse(Buffer.concat(pieces).toString());
  const last = messages.at(-1);
  const said = textOf(messages.findLast(({ role }) => role === 'user'));
  await sleep(latencyMs(`${last.role} ${said}`));
  const done = messages.length - 1 - messages.findLastIndex(({ role }) => role === 'user');
  const used = messages.slice(messages.length - done).filter(({ role }) => role === 'tool').length;
  const [, name, args] = (tools && [...said.matchAll(/use (\w+) (\{.*?\})/g)][used]) || [];
  const call = name && {
    id: `call-${hash(said)}-${used}`,
    type: 'function',
    function: { name, arguments: args },
  };
  const finish_reason = call ? 'tool_calls' : 'stop';
  const head = { id: 'completion', created: 0, model: 'local' };
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
  if (!stream) {
    const message = { role: 'assistant', content: call ? null : ANSWER, ...(call && { tool_calls: [call] }) };
    const choices = [{ index: 0, message, finish_reason }];
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ ...head, object: 'chat.completion', choices, usage }));
    return;
  }
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  const send = (choice, more) => {
    const chunk = { ...head, object: 'chat.completion.chunk', choices: [{ index: 0, ...choice }], ...more };
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  };
  send({ delta: { role: 'assistant' }, finish_reason: null });
  if (call) send({ delta: { tool_calls: [{ index: 0, ...call }] }, finish_reason: null });
  else for (const word of ANSWER.match(/\S+ /g)) send({ delta: { content: word }, finish_reason: null });
  send({ delta: {}, finish_reason }, { usage });
  response.end('data: [DONE]\n\n');
}

/** `bytes` of text. */
function page(bytes, response) {
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': bytes });
  for (let left = bytes; left > 0; left -= PAGE.length) response.write(PAGE.subarray(0, left));
  response.end();
}

/** A JSON array of records as an API gives them, about 190 bytes each; from some number on they come again. */
function records(count, response) {
  const some = DIFFERENT.slice(0, count).join(',');
  const whole = Math.floor(count / DIFFERENT.length);
  const rest = DIFFERENT.slice(0, count - whole * DIFFERENT.length).join(',');
  const pieces = [...Array(whole).fill(some), rest].filter(Boolean).flatMap((piece) => [',', piece]);
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.write('[');
  for (const piece of pieces.slice(1)) response.write(piece);
  response.end(']');
}

const textOf = ({ content } = {}) =>
  typeof content === 'string' ? content : (content ?? []).map(({ text }) => text ?? '').join('');
