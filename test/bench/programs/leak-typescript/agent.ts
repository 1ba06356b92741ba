// An agent in TypeScript, bundled and minified with a source map, whose memory only ever learns.
// names: learn in memory.ts
import { setTimeout as sleep } from 'node:timers/promises';
import { Memory } from './memory.ts';

const memory = new Memory();

async function takeTurn(turn: number): Promise<void> {
  await sleep(5);
  memory.learn(Array.from({ length: 600 }, (_, i) => `fact ${turn} ${i}`));
}

let turns = 0;
setInterval(() => takeTurn(turns++), 30);
