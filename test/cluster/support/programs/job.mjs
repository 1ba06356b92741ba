// Work that fills its container to a share of the limit and stays there until it is done; at SIGTERM it ends in order, with its
// work lost, as many do. What became of it is the container's termination message.
//   node job.mjs RATIO SECONDS_TO_GROW SECONDS_TO_HOLD
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const MIB = 2 ** 20;
const [ratio, growS, holdS] = process.argv.slice(2).map(Number);
const ends = (word) => {
  writeFileSync('/dev/termination-log', word);
  process.exit(0);
};
process.on('SIGTERM', () => ends('SIGTERM'));

const root = ['/sys/fs/cgroup/memory/memory.', '/sys/fs/cgroup/memory.'].find((path) =>
  existsSync(`${path}stat`),
);
const read = (...names) => readFileSync(`${root}${names.find((name) => existsSync(root + name))}`, 'utf8');
const limit = Number(read('limit_in_bytes', 'max'));
const used = () => {
  const stat = read('stat');
  const droppable = Number(/^(?:total_)?inactive_file (\d+)/m.exec(stat)[1]);
  return Number(read('usage_in_bytes', 'current')) - droppable;
};

const held = [];
const steps = Math.ceil((ratio * limit - used()) / MIB);
while (used() < ratio * limit) {
  held.push(Buffer.alloc(MIB, 1));
  await sleep((growS * 1000) / steps);
}
await sleep(holdS * 1000);
ends(`done, ${held.length} MiB held`);
