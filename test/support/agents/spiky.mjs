// A server each of whose requests holds some memory for a while: `spiky.mjs MIB MS`.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const [mib, ms] = process.argv.slice(2).map(Number);
const server = createServer(async (_request, response) => {
  const held = Buffer.alloc(mib * 2 ** 20, 1);
  await sleep(ms);
  response.end(`served ${held.length}`);
}).listen(Number(process.env.PORT ?? 0), () => console.log(`port ${server.address().port}`));
