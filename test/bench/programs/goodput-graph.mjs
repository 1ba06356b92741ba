// A LangGraph agent that asks an API for large JSON, picks a few records and lets the model write about them.
import { Annotation, END, MemorySaver, START, StateGraph } from '@langchain/langgraph';
import OpenAI from 'openai';
import { endInOrder, fetchPage, serve, world } from './goodput-server.mjs';

const PAGES = 4;
const client = new OpenAI({ baseURL: `${world}/v1`, apiKey: 'local' });

const State = Annotation.Root({
  question: Annotation(),
  found: Annotation(),
  said: Annotation({ default: () => [], reducer: (all, more) => [...all, ...more].slice(-10) }),
});

const graph = new StateGraph(State)
  .addNode('fetch', async ({ question }) => {
    const { count } = JSON.parse(/\{.*?\}/.exec(question)[0]);
    const records = await (await fetchPage(`/records?count=${count}`)).json();
    const open = [];
    for (let page = 0; page < PAGES; page++) {
      const some = records.slice((page * records.length) / PAGES, ((page + 1) * records.length) / PAGES);
      const plan = await ask(`Which of ${some.length} records matter for page ${page} of: ${question}`);
      open.push(...some.filter((record) => record.open && plan.length > 0).slice(0, 2));
    }
    return { found: open.map(({ name, balance }) => ({ name, balance })) };
  })
  .addNode('write', async ({ question, found }) => ({
    said: [await ask(`${question}\n${JSON.stringify(found)}`)],
  }))
  .addEdge(START, 'fetch')
  .addEdge('fetch', 'write')
  .addEdge('write', END)
  .compile({ checkpointer: new MemorySaver() });

async function ask(content) {
  const answer = await client.chat.completions.create({
    model: 'local',
    messages: [{ role: 'user', content }],
  });
  return answer.choices[0].message.content;
}

endInOrder(
  serve(async (session, text) => {
    const { said } = await graph.invoke({ question: text }, { configurable: { thread_id: session } });
    return said.at(-1);
  }),
);
