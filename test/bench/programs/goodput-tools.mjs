// An agent on the AI SDK whose tools return much: a whole page goes to the model once; the conversation keeps question and answer.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, stepCountIs, tool } from 'ai';
import { z } from 'zod';
import { fetchPage, serve, world } from './goodput-server.mjs';

const KEPT_TURNS = 20;
const model = createOpenAICompatible({ name: 'local', baseURL: `${world}/v1` })('local');
const conversations = new Map();

async function wordsOf(count) {
  const text = await (await fetchPage(`/pages?count=${count}`)).text();
  return text.split(' ').map((word, place) => ({ word: word.toLowerCase(), place }));
}

const tools = {
  read_page: tool({
    description: 'reads a page',
    inputSchema: z.object({ count: z.number() }),
    execute: async ({ count }) => (await fetchPage(`/pages?count=${count}`)).text(),
  }),
  /** Works through many words and answers with few: what it made on the way is garbage. */
  count_words: tool({
    description: 'counts the words of a page',
    inputSchema: z.object({ count: z.number() }),
    async execute({ count }) {
      const words = await wordsOf(count);
      await fetchPage('/pages?count=100'); // while the words are held: they grow old
      return `${words.length} words, the last at ${words.at(-1).place}`;
    },
  }),
};

serve(async (session, text) => {
  const turns = conversations.get(session) ?? [];
  const question = { role: 'user', content: text };
  const { text: said } = await generateText({
    model,
    tools,
    stopWhen: stepCountIs(4),
    messages: [...turns, question],
  });
  conversations.set(session, [...turns, question, { role: 'assistant', content: said }].slice(-KEPT_TURNS));
  return said;
});
