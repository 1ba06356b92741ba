// A LangGraph agent that uses the tools it is asked for, or asks an API for large JSON, picks a few records, and lets the model write
// about what it found. Its checkpoints keep what it found: all of it, or the beginning.
import { Annotation, END, MemorySaver, START, StateGraph } from '@langchain/langgraph';
import OpenAI from 'openai';
import { fetchPage, options, serve, world } from './goodput-server.mjs';
import { toolbox } from './goodput-toolbox.mjs';

const PAGES = 4;
const KEPT_CHARACTERS = 200;
const client = new OpenAI({ baseURL: `${world}/v1`, apiKey: 'local' });

const State = Annotation.Root({
  question: Annotation(),
  found: Annotation({ default: () => [], reducer: (all, more) => [...all, ...more].slice(-10) }),
  said: Annotation({ default: () => [], reducer: (all, more) => [...all, ...more].slice(-10) }),
});

const graph = new StateGraph(State)
  .addNode('fetch', async ({ question }) => {
    const called = [...question.matchAll(/use (\w+) (\{.*?\})/g)];
    if (called.length === 0) return { found: [await openRecords(question)] };
    const outputs = [];
    for (const [, name, args] of called) {
      outputs.push(await toolbox[name](JSON.parse(args)));
      await ask(`${question}\n${outputs.join('\n')}`);
    }
    if (options.keep === 'whole') return { found: outputs };
    return { found: outputs.map((output) => output.slice(0, KEPT_CHARACTERS)) };
  })
  .addNode('write', async ({ question, found }) => ({
    said: [await ask(`${question}\n${JSON.stringify(found.at(-1))}`)],
  }))
  .addEdge(START, 'fetch')
  .addEdge('fetch', 'write')
  .addEdge('write', END)
  .compile({ checkpointer: new MemorySaver() });

async function openRecords(question) {
  const { count } = JSON.parse(/\{.*?\}/.exec(question)?.[0] ?? '{"count":1}');
  const records = await (await fetchPage(`/records?count=${count}`)).json();
  const open = [];
  for (let page = 0; page < PAGES; page++) {
    const some = records.slice((page * records.length) / PAGES, ((page + 1) * records.length) / PAGES);
    const plan = await ask(`Which of ${some.length} records matter for page ${page} of: ${question}`);
    open.push(...some.filter((record) => record.open && plan.length > 0).slice(0, 2));
  }
  return open.map(({ name, balance }) => ({ name, balance }));
}

async function ask(content) {
  const answer = await client.chat.completions.create({
    model: 'local',
    messages: [{ role: 'user', content }],
  });
  return answer.choices[0].message.content;
}

serve(async (session, text) => {
  const { said } = await graph.invoke({ question: text }, { configurable: { thread_id: session } });
  return said.at(-1);
}, true);
