import { fileURLToPath } from 'node:url';
import type { Config } from '../config/options.ts';
import { HookServer, type HookServerOptions } from '../sources/hook/server.ts';

/** The hook's file: the build says where it lies, as seen from the bundle's chunk that this becomes part of. */
export const HOOK_FILE = fileURLToPath(
  new URL(process.env['SPILLWAY_REGISTER'] ?? '../../dist/agent/register.cjs', import.meta.url),
);

/** Where hooks connect, and whether their file has to be put there. */
export type HookPlacement = Pick<HookServerOptions, 'directory' | 'register'>;

/** Of the sidecar: the directory that it shares with the agent. */
export function sharedPlacement({ hook, hookDir }: Pick<Config, 'hook' | 'hookDir'>): HookPlacement {
  return hook === 'off' ? {} : { directory: hookDir, register: HOOK_FILE };
}

export function composeHooks(
  { gate, gateExempt = [] }: Pick<Config, 'gate' | 'gateExempt'>,
  placement: HookPlacement,
  onProblem: (message: string) => void,
): HookServer {
  return new HookServer({ procRoot: '/proc', gate, exempt: gateExempt, onProblem, ...placement });
}
