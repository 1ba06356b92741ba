interface Source {
  kind: 'web' | 'tool';
  at: number;
}

/** Something the agent believes. */
class Fact {
  readonly text: string;
  readonly sources: Source[];
  readonly words: string[];

  constructor(text: string) {
    this.text = text;
    this.sources = Array.from({ length: 8 }, (_, at) => ({ kind: at % 2 ? 'web' : 'tool', at }));
    this.words = text.split(' ');
  }
}

export class Memory {
  readonly #facts: Fact[] = [];

  // grows here
  learn(texts: string[]): void {
    for (const text of texts) this.#facts.push(new Fact(text));
  }
}
