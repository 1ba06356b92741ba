// Waits for this container's memory limit to change, in its cgroup and in what the guardian says; prints both times.
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const file = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'].find(existsSync);
const inKernel = () => Number(readFileSync(file, 'utf8'));
const inGuardian = async () => (await (await fetch('http://127.0.0.1:9797/v1/status')).json()).limitBytes;

async function changed(read, before) {
  for (;;) {
    const bytes = await read();
    if (bytes !== before) return { at: Date.now(), bytes };
    await sleep(10);
  }
}

const before = await inGuardian();
console.log('armed');
const [kernel, guardian] = await Promise.all([changed(inKernel, before), changed(inGuardian, before)]);
console.log(JSON.stringify({ before, kernel, guardian }));
