// An agent on the AI SDK whose tools return much: a whole page goes to the model once; the conversation keeps question and answer,
// or all.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, stepCountIs, tool } from 'ai';
import { z } from 'zod';
import { options, serve, world } from './goodput-server.mjs';
import { toolbox } from './goodput-toolbox.mjs';

const KEPT_TURNS = 20;
const model = createOpenAICompatible({ name: 'local', baseURL: `${world}/v1` })('local');
const conversations = new Map();

const inputSchema = z.object({ count: z.number().optional(), directory: z.string().optional() });
const tools = Object.fromEntries(
  Object.entries(toolbox).map(([name, execute]) => [name, tool({ description: name, inputSchema, execute })]),
);

async function answer(session, text) {
  const turns = conversations.get(session) ?? [];
  const question = { role: 'user', content: text };
  const { text: said, response } = await generateText({
    model,
    tools,
    stopWhen: stepCountIs(4),
    messages: [...turns, question],
  });
  const all = [...turns, question, ...response.messages];
  const few = [...turns, question, { role: 'assistant', content: said }].slice(-KEPT_TURNS);
  conversations.set(session, options.keep === 'whole' ? all : few);
  return said;
}

serve(answer, false);
