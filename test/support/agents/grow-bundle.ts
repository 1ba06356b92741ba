// An agent in TypeScript, to be bundled: it leaks in a method of a class, then says `grown` and waits.
interface Turn {
  readonly index: number;
  readonly words: number[];
}

class Conversation {
  readonly #turns: Turn[] = [];

  rememberTurns(count: number): number {
    for (let index = 0; index < count; index++) {
      this.#turns.push({ index, words: new Array<number>(20).fill(index) });
    }
    return this.#turns.length;
  }
}

const transcripts: string[][] = [];
const keepTranscript = (words: number): void => {
  transcripts.push(Array.from({ length: words }, (_, i) => `word ${i}`));
};

const conversation = new Conversation();
console.log('ready');
setTimeout(function grow() {
  conversation.rememberTurns(500);
  keepTranscript(500);
  if (process.memoryUsage().heapUsed < 50 * 2 ** 20) setTimeout(grow, 1);
  else {
    console.log('grown');
    setInterval(() => transcripts.length, 1000);
  }
}, 300);
