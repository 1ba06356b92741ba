import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Unreclaimable memory of a cgroup, over its limit: read here by other lines than the guardian's. */
export function ratioOf(group: string): number {
  const read = (file: string) => readFileSync(join(group, file), 'utf8');
  const v2 = existsSync(join(group, 'memory.current'));
  const stat = new Map(
    read('memory.stat')
      .split('\n')
      .map((line): [string, number] => {
        const [name = '', value] = line.split(' ');
        return [name, Number(value)];
      }),
  );
  const file = (name: string) => stat.get(v2 ? name : `total_${name}`) ?? 0;
  const used = Number(read(v2 ? 'memory.current' : 'memory.usage_in_bytes'));
  const limit = Number(read(v2 ? 'memory.max' : 'memory.limit_in_bytes'));
  return (used - file('inactive_file') - file('active_file')) / limit;
}

/** Ports on which somebody of this network namespace listens. */
export function openPorts(): number[] {
  const tables = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/self/net/${name}`, 'utf8'));
  const listening = tables.join('\n').matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ 0A /gm);
  return [...new Set([...listening].map(([, port = '']) => Number.parseInt(port, 16)))];
}

export function lives(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
