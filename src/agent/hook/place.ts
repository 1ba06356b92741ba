import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { HOOK_FILES } from '../../core/model/hook-files.ts';
import { untraced } from './quiet.ts';

/** More pids than an agent has. */
const MOST_LISTED = 64 * 1024;
const WRITABLE_BY_ALL = 0o002;

/** Whether the guardian that listens in a directory lists this process as the agent. */
export function isListed(directory: string): boolean {
  try {
    const text = untraced(readFileSync)(`${directory}/${HOOK_FILES.agent}`, 'latin1');
    return text.length <= MOST_LISTED && text.split('\n').includes(String(process.pid));
  } catch {
    return false;
  }
}

/**
 * The guardian's socket, where it is there and nobody else could have put it there; `undefined` also where that is not certain.
 */
export function socketIn(directory: string): string | undefined {
  const socket = `${directory}/${HOOK_FILES.socket}`;
  try {
    const safe =
      untraced(statSync)(socket).isSocket() && (isReadOnly(directory) || areOwn(directory, socket));
    return safe ? socket : undefined;
  } catch {
    return undefined;
  }
}

/** A volume that this container cannot write: whoever mounted it chose what it holds, the code of the hook among it. */
function isReadOnly(directory: string): boolean {
  try {
    untraced(accessSync)(directory, constants.W_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS';
  }
}

/** Nobody but root and this user could have put the socket there, or could put another in its place. */
function areOwn(directory: string, socket: string): boolean {
  const own = process.geteuid?.();
  const stat = untraced(statSync);
  const [place, file] = [stat(directory), stat(socket)];
  const isTrusted = ({ uid }: { uid: number }) => uid === 0 || uid === own;
  return isTrusted(place) && isTrusted(file) && (place.mode & WRITABLE_BY_ALL) === 0;
}
