// An agent on the openai SDK that streams from the model and keeps each conversation whole, with all its tool outputs; or
// question and answer alone.
import OpenAI from 'openai';
import { options, serve, world } from './goodput-server.mjs';
import { toolbox } from './goodput-toolbox.mjs';

const KEPT_MESSAGES = 20;
const client = new OpenAI({ baseURL: `${world}/v1`, apiKey: 'local' });
const conversations = new Map();
const described = Object.keys(toolbox).map((name) => ({
  type: 'function',
  function: { name, description: name, parameters: { type: 'object', properties: {} } },
}));

async function answer(session, text) {
  const kept = conversations.get(session) ?? [];
  const messages = options.keep === 'answers' ? [...kept] : kept;
  conversations.set(session, kept);
  const question = { role: 'user', content: text };
  messages.push(question);
  for (;;) {
    const stream = client.chat.completions.stream({ model: 'local', messages, tools: described });
    const { message } = (await stream.finalChatCompletion()).choices[0];
    messages.push(message);
    if (!message.tool_calls?.length) {
      if (messages !== kept) conversations.set(session, [...kept, question, message].slice(-KEPT_MESSAGES));
      return message.content;
    }
    for (const { id, function: called } of message.tool_calls) {
      const content = await toolbox[called.name](JSON.parse(called.arguments));
      messages.push({ role: 'tool', tool_call_id: id, content });
    }
  }
}

serve(answer, true);
