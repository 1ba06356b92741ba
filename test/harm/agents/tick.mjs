// Notes each time that the thread it runs in stood still: the time, for how long, and the CPU time spent meanwhile.
// Runs in Node, Bun and Deno.
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.env.HARM_FOLDER;
const GAP_MS = 200;

let ids = 0;
export function tick(name = 'main') {
  const file = join(folder, `gaps-${process.pid}-${name}-${++ids}`);
  appendFileSync(file, '');
  let last = performance.now();
  let used = cpuMs();
  setInterval(() => {
    const now = performance.now();
    const cpu = cpuMs();
    if (now - last > GAP_MS) appendFileSync(file, `${Date.now()} ${now - last} ${cpu - used}\n`);
    last = now;
    used = cpu;
  }, 10);
}

/** The agent is what its kind says: from now on this process must live to the end. */
export const up = () => writeFileSync(join(folder, `up-${process.pid}`), '');

export const heard = (signal) => appendFileSync(join(folder, 'heard'), `${signal} ${process.pid}\n`);

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
