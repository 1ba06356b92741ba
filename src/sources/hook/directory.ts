import { randomUUID } from 'node:crypto';
import { chmodSync, copyFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { HOOK_FILES } from '../../core/model/hook-files.ts';

/** Puts the hook's file into its directory, whole or not at all, readable for every user. @throws a system error */
export function putHook(directory: string, file: string): void {
  replace(directory, HOOK_FILES.register, (at) => copyFileSync(file, at), 0o444);
}

/** Says which processes are the agent, by pid as they know it themselves. @throws a system error */
export function listAgent(directory: string, pids: readonly number[]): void {
  const text = pids.map((pid) => `${pid}\n`).join('');
  replace(directory, HOOK_FILES.agent, (at) => writeFileSync(at, text), 0o644);
}

function replace(directory: string, name: string, write: (at: string) => void, mode: number): void {
  const at = `${directory}/.${name}-${randomUUID()}`;
  try {
    write(at);
    chmodSync(at, mode);
    renameSync(at, `${directory}/${name}`);
  } catch (error) {
    rmSync(at, { force: true });
    throw error;
  }
}

/** Removes what a guardian before this one left, so that this one can listen. @throws a system error */
export function clearSocket(directory: string): string {
  const socket = `${directory}/${HOOK_FILES.socket}`;
  if (statSync(socket, { throwIfNoEntry: false })?.isSocket()) rmSync(socket, { force: true });
  return socket;
}
