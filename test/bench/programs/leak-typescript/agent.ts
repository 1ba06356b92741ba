// An agent in TypeScript, bundled and minified with a source map, whose memory only ever learns.
// names: learn in memory.ts
import { Memory } from './memory.ts';

const memory = new Memory();
let turns = 0;
setInterval(() => {
  for (let i = 0; i < 300; i++) memory.learn(`fact ${turns++}`);
}, 20);
