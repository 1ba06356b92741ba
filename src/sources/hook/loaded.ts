import { HOOK_DIR_ENV, HOOK_FILES } from '../../core/model/hook-files.ts';
import { readProc } from '../proc-fs.ts';

/** A hook that a process was started with. */
export interface LoadedHook {
  /** Where it looks for the guardian's socket, as the process sees it. */
  directory: string;
  /** A hook is connected to the guardian that listens there. */
  connected: boolean;
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
  return { directory, connected };
}

function textOf(file: string): string {
  const read = readProc(file);
  return read.kind === 'value' ? read.value : '';
}
