import { closeSync, lstatSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { hasEnded, parseStat } from '../../core/proc/proc-text.ts';
import { sectionInMemory } from '../../core/proc/python-elf.ts';
import { hookSockets, type PythonFacts } from '../../core/proc/python-facts.ts';
import { parseMaps, pythonFiles } from '../../core/proc/python-maps.ts';
import { openAgentFile } from '../agent-file.ts';

/** Looks at one Python process through `/proc`. */
export function readPythonFacts(procRoot: string, pid: number): PythonFacts {
  const at = (name: string) => `${procRoot}/${pid}/${name}`;
  const text = (name: string) => readFileSync(at(name), 'utf8');
  const status = (key: string) => new RegExp(`^${key}:\\s+(.*)$`, 'm').exec(text('status'))?.[1] ?? '';

  return {
    startTime() {
      const read = attempt(() => parseStat(text('stat'), at('stat')));
      return read && !hasEnded(read) ? read.startTime : null;
    },
    maps: () => parseMaps(text('maps')),
    runtimeAddress(maps) {
      const exe = attempt(() => readlinkSync(at('exe'))) ?? '';
      for (const { start, end, path } of pythonFiles(maps, exe)) {
        // as mapped (needs a capability), as the program itself (even when deleted), by its path
        const range = `map_files/${start.toString(16)}-${end.toString(16)}`;
        for (const name of [range, path === exe ? 'exe' : `root${path}`]) {
          const inFile = attempt(() => runtimeIn(at(name)));
          if (inFile !== null) return start + inFile;
        }
      }
      return null;
    },
    identity() {
      // real, effective, saved, file system
      const effective = (key: string) => Number(status(key).split(/\s+/)[1]);
      return {
        uid: effective('Uid'),
        gid: effective('Gid'),
        ownPid: Number(status('NSpid').split(/\s+/).at(-1) || pid),
      };
    },
    directories() {
      const cwd = attempt(() => readlinkSync(at('cwd')));
      return ['/tmp', '/dev/shm', cwd ?? '']
        .filter((path) => /^\/[^\ufffd]*$/.test(path))
        .flatMap((path) => {
          const here = `${at('root')}${path}`;
          return attempt(() => isReal(here, at('root'))) ? [{ path, here }] : [];
        });
    },
    hookSocket() {
      const listening = hookSockets(attempt(() => text('net/unix')) ?? '');
      if (listening.length === 0) return null;
      const own = new Set(
        (attempt(() => readdirSync(at('fd'))) ?? []).map((fd) => attempt(() => readlinkSync(at(`fd/${fd}`)))),
      );
      return listening.find(({ inode }) => own.has(`socket:[${inode}]`))?.name ?? null;
    },
    restricted: () =>
      Number(attempt(() => readFileSync(`${procRoot}/sys/kernel/yama/ptrace_scope`, 'utf8')) ?? 0) > 0,
  };
}

function runtimeIn(file: string): number | null {
  const fd = openAgentFile(file, true);
  try {
    return sectionInMemory((position, length) => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
    }, '.PyRuntime');
  } finally {
    closeSync(fd);
  }
}

/** Through `/proc/PID/root` an absolute link would lead into our own file system: no part of the way may be one. */
function isReal(path: string, root: string): boolean {
  const parts = path.slice(root.length).split('/').filter(Boolean);
  return parts.every((_, i) => lstatSync(`${root}/${parts.slice(0, i + 1).join('/')}`).isDirectory());
}

/** `null` for what is gone, denied or malformed. */
function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}
