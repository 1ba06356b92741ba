import { closeSync, openSync, readSync } from 'node:fs';

export interface HeldMemory {
  /** Unreclaimable memory, in bytes: all that is charged, less the files in cache. */
  heldBytes(): number;
  /** Processes that the kernel has killed in this group for want of memory. */
  oomKills(): number;
  close(): void;
}

/** Reads a memory cgroup from outside, over files kept open. All reads throw once the group is removed. */
export function openHeldMemory(directory: string, version: 1 | 2): HeldMemory {
  const names =
    version === 1
      ? ['memory.usage_in_bytes', 'memory.stat', 'memory.oom_control']
      : ['memory.current', 'memory.stat', 'memory.events'];
  const files = version === 1 ? /^total_(?:in)?active_file (\d+)/gm : /^(?:in)?active_file (\d+)/gm;
  const [usage = -1, stat = -1, events = -1] = names.map((name) => openSync(`${directory}/${name}`, 'r'));
  const buffer = Buffer.alloc(16_384);
  const text = (fd: number) => buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0));
  return {
    heldBytes() {
      let held = Number(text(usage));
      for (const match of text(stat).matchAll(files)) held -= Number(match[1]);
      return held;
    },
    oomKills: () => Number(/^oom_kill (\d+)/m.exec(text(events))?.[1] ?? 0),
    close() {
      for (const fd of [usage, stat, events]) closeSync(fd);
    },
  };
}
