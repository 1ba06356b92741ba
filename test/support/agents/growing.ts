// An agent in TypeScript, to be bundled: from the start it grows by --rate MB/s in the way --kind names, up to --stop MiB.
// `turns`: in a method of a class of its own; `package`: in a function of the package `conversation-cache`. Both wait for
// something first, as in most agents: other small functions V8 puts inline, and then names only who calls them.
import { parseArgs } from 'node:util';
// @ts-expect-error a package made by the test
import { rememberAnswers } from 'conversation-cache';

const { values } = parseArgs({
  options: {
    kind: { type: 'string', default: 'turns' },
    rate: { type: 'string', default: '10' },
    stop: { type: 'string', default: '10000' },
  },
});

interface Turn {
  readonly index: number;
  readonly words: number[];
}

class Conversation {
  readonly #turns: Turn[] = [];

  async rememberTurns(count: number): Promise<void> {
    await null;
    for (let index = 0; index < count; index++)
      this.#turns.push({ index, words: new Array<number>(96).fill(index) });
  }
}

const KILOBYTE_ITEMS = 1000;
const conversation = new Conversation();
const grow = (count: number): Promise<void> =>
  values.kind === 'package' ? rememberAnswers(count) : conversation.rememberTurns(count);

const startedMs = performance.now();
let items = 0;
setInterval(async () => {
  const mostItems = (Number(values.stop) * 2 ** 20) / KILOBYTE_ITEMS;
  const due = Math.min(mostItems, (performance.now() - startedMs) * Number(values.rate));
  const count = Math.floor(due) - items;
  items += count;
  await grow(count);
}, 10);
console.log('up');
