import { constants, statSync } from 'node:fs';
import { HOOK_DIR_ENV, HOOK_FILES } from '../../core/model/hook-files.ts';
import { readProc } from '../proc-fs.ts';

/** A hook that a process was started with. */
export interface LoadedHook {
  /** Where it looks for the guardian's socket, as the process sees it. */
  directory: string;
  /** A hook is connected to the guardian that listens there. */
  connected: boolean;
  /** The guardian's socket is another user's, and for that user alone: the uids of both. */
  foreign?: { agent: number; guardian: number } | undefined;
}

const REQUIRED = new RegExp(`--require=([^\\0]*?)/${HOOK_FILES.register.replace('.', '\\.')}`);
/** Of a socket in `/proc/net/unix`: connected. */
const CONNECTED = '03';

/** By the environment with which the process was started; `undefined` where it has no hook, or may not be read. */
export function loadedHook(procRoot: string, pid: number): LoadedHook | undefined {
  const environment = textOf(`${procRoot}/${pid}/environ`).split('\0');
  const variable = (name: string) =>
    environment.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
  const required = REQUIRED.exec(variable('NODE_OPTIONS') ?? '')?.[1];
  if (required === undefined) return undefined;
  const directory = variable(HOOK_DIR_ENV) || required;
  const socket = ` ${directory}/${HOOK_FILES.socket}`;
  const connected = textOf(`${procRoot}/${pid}/net/unix`)
    .split('\n')
    .some((line) => line.endsWith(socket) && line.split(/\s+/)[5] === CONNECTED);
  const foreign = connected
    ? undefined
    : foreignTo(`${procRoot}/${pid}`, `${directory}/${HOOK_FILES.socket}`);
  return { directory, connected, foreign };
}

function foreignTo(process: string, socket: string): LoadedHook['foreign'] {
  try {
    const agent = Number(/^Uid:\s+\d+\s+(\d+)/m.exec(textOf(`${process}/status`))?.[1]);
    const { uid: guardian, mode } = statSync(`${process}/root${socket}`);
    const isShared = (mode & constants.S_IWOTH) !== 0;
    return isShared || !(agent > 0) || agent === guardian ? undefined : { agent, guardian };
  } catch {
    return undefined;
  }
}

function textOf(file: string): string {
  const read = readProc(file);
  return read.kind === 'value' ? read.value : '';
}
