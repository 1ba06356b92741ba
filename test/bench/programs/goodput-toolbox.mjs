// The tools of every agent: each gets the arguments that the model calls it with, and answers with text.
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchPage } from './goodput-server.mjs';

const PARTS = 4;
/** What another service takes for a quarter of the records. */
const PART_MS = 120;

const cache = new Map();
const indexes = [];

export const toolbox = {
  read_page: async ({ count }) => (await fetchPage(`/pages?count=${count}`)).text(),
  /** Works through many words and answers with few: what it made on the way is garbage. */
  async count_words({ count }) {
    const text = await (await fetchPage(`/pages?count=${count}`)).text();
    const words = text.split(' ').map((word, place) => ({ word: word.toLowerCase(), place }));
    await fetchPage('/pages?count=100'); // while the words are held: they grow old
    return `${words.length} words, the last at ${words.at(-1).place}`;
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
  /** A document of many records, held while its parts are looked at, of which a few stay. */
  async read_records({ count }) {
    const records = await (await fetchPage(`/records?count=${count}`)).json();
    const open = [];
    for (let part = 0; part < PARTS; part++) {
      await sleep(PART_MS);
      const some = records.slice((part * records.length) / PARTS, ((part + 1) * records.length) / PARTS);
      open.push(...some.filter((record) => record.open).slice(0, 2));
    }
    return JSON.stringify(open.map(({ name, balance }) => ({ name, balance })));
  },
  /** A cache that nothing is ever evicted from, by keys that never come again. */
  async cached_page({ count }) {
    const page = await (await fetchPage(`/pages?count=${count}`)).text();
    cache.set(`${cache.size} ${count}`, page);
    return `${page.length} characters`;
  },
  /** An index outside the heap that stays. */
  async load_index({ count }) {
    indexes.push(Buffer.from(await (await fetchPage(`/pages?count=${count}`)).arrayBuffer()));
    return `index ${indexes.length}`;
  },
};
