// An agent on the openai SDK that keeps each conversation whole, with all its tool outputs, streaming from the model.
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI from 'openai';
import { endInOrder, fetchPage, serve, world } from './goodput-server.mjs';

const client = new OpenAI({ baseURL: `${world}/v1`, apiKey: 'local' });
const conversations = new Map();

const tools = {
  async read_page({ count }) {
    return (await fetchPage(`/pages?count=${count}`)).text();
  },
  /** Reads every file of a workspace, a tool's everyday work, and counts a word. */
  async search_files({ directory }) {
    let found = 0;
    for (const name of await readdir(directory)) {
      for await (const piece of createReadStream(join(directory, name)))
        if (piece.includes('needle')) found++;
    }
    return `${found} times`;
  },
};
const described = Object.keys(tools).map((name) => ({
  type: 'function',
  function: { name, description: name, parameters: { type: 'object', properties: {} } },
}));

async function answer(session, text) {
  const messages = conversations.get(session) ?? [];
  conversations.set(session, messages);
  messages.push({ role: 'user', content: text });
  for (;;) {
    const stream = client.chat.completions.stream({ model: 'local', messages, tools: described });
    const { message } = (await stream.finalChatCompletion()).choices[0];
    messages.push(message);
    if (!message.tool_calls?.length) return message.content;
    for (const { id, function: called } of message.tool_calls) {
      const content = await tools[called.name](JSON.parse(called.arguments));
      messages.push({ role: 'tool', tool_call_id: id, content });
    }
  }
}

endInOrder(serve(answer));
