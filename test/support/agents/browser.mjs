// An agent that works through four child processes called `chromium`, of --mib MiB each. Prints `up`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { mib: { type: 'string', default: '40' } } });
const page = `const held = Buffer.alloc(${Number(values.mib)} * 2 ** 20, 1); console.log('up'); setInterval(() => held, 1000);`;
for (let i = 0; i < 4; i++) {
  const child = spawn(process.execPath, ['-e', page], {
    argv0: 'chromium',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(child.stdout, 'data');
}
console.log('up');
setInterval(() => {}, 1000);
