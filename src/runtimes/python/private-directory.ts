import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { messageOf, SpillwayError } from '../../core/lib/errors.ts';
import type { PythonFacts } from '../../core/proc/python-facts.ts';
import { readAgentFile } from '../../sources/agent-file.ts';

/** The answer to a profile is some 10 KB. */
const MOST_BYTES = 1_000_000;

/** A directory in the agent's file system that only the agent and the guardian can enter. */
export interface PrivateDirectory {
  /** As the agent names it. */
  path: string;
  /** @throws a system error */
  write(name: string, text: string): void;
  /**
   * `null` while the file is not there.
   * @throws SpillwayError `refused` when it is not such as our script writes; a system error
   */
  read(name: string): string | null;
  /** @returns whether it was there */
  take(name: string): boolean;
  has(name: string): boolean;
  remove(): void;
}

/**
 * Makes one in the first place that can be written to.
 * @throws SpillwayError `refused`
 */
export function privateDirectory(look: PythonFacts): PrivateDirectory {
  const { uid, gid } = look.identity();
  const name = `.spillway-${randomBytes(12).toString('hex')}`;
  let why = 'it has none of /tmp, /dev/shm and a working directory';
  for (const place of look.directories()) {
    let parent: number | undefined;
    try {
      // by this descriptor it can be removed even when the agent has ended
      parent = openSync(place.here, constants.O_RDONLY | constants.O_DIRECTORY);
      const here = `/proc/self/fd/${parent}/${name}`;
      mkdirSync(here, { mode: 0o700 });
      try {
        own(here, uid, gid);
      } catch (error) {
        rmdirSync(here);
        throw error;
      }
      return directory(parent, here, `${place.path.replace(/\/$/, '')}/${name}`, { uid, gid });
    } catch (error) {
      if (parent !== undefined) closeSync(parent);
      why = messageOf(error);
    }
  }
  throw new SpillwayError('refused', `no directory of the agent is writable: ${why}`, {
    hint: 'give the agent a writable /tmp (an emptyDir), or import spillway_hook in it',
  });
}

function directory(
  parent: number,
  here: string,
  path: string,
  { uid, gid }: { uid: number; gid: number },
): PrivateDirectory {
  return {
    path,
    write(name, text) {
      writeFileSync(`${here}/${name}`, text, { flag: 'wx', mode: 0o600 });
      own(`${here}/${name}`, uid, gid);
    },
    read(name) {
      if (!existsSync(`${here}/${name}`)) return null;
      const content = readAgentFile(`${here}/${name}`, MOST_BYTES, uid);
      if (content) return content.toString();
      throw new SpillwayError(
        'refused',
        `the answer of the Python agent is larger than ${MOST_BYTES} bytes, or has another owner`,
      );
    },
    take(name) {
      try {
        unlinkSync(`${here}/${name}`);
        return true;
      } catch {
        return false; // the script was faster
      }
    },
    has: (name) => existsSync(`${here}/${name}`),
    remove() {
      try {
        rmSync(here, { recursive: true, force: true });
      } finally {
        closeSync(parent);
      }
    },
  };
}

/** Only root has to: any other guardian has the agent's uid already. */
function own(file: string, uid: number, gid: number): void {
  if (process.getuid?.() === 0 && (uid !== 0 || gid !== 0)) chownSync(file, uid, gid);
}
