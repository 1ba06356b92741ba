import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { AgentHook } from '../../src/core/ports/agent-hook.ts';
import { HookServer } from '../../src/sources/hook/server.ts';
import { prepareHook } from '../../src/wrap/hook-environment.ts';
import { CLI } from './cli.ts';
import { type Started, start, until } from './started.ts';

/** The hook as it is built. */
export const REGISTER = join(dirname(CLI), 'agent/register.cjs');

/** A directory that is gone with the test. */
export function temporary(prefix = 'spillway-hook-'): string {
  const directory = mkdtempSync(join(tmpdir(), prefix));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A guardian's side of the hook, listening. */
export async function listening(directory: string, exempt: readonly string[] = []): Promise<HookServer> {
  const problems: string[] = [];
  const hooks = new HookServer({
    ...{ procRoot: '/proc', gate: 'auto', exempt, directory },
    onProblem: (problem) => void problems.push(problem),
  });
  await hooks.start();
  if (problems.length > 0) throw new Error(problems.join('; '));
  onTestFinished(() => hooks.close());
  return hooks;
}

export interface HookedOptions {
  bin?: string;
  /** Flags of Node, before the program. */
  flags?: string[];
  env?: NodeJS.ProcessEnv;
  register?: string;
  module?: boolean;
}

/** Starts a program that prints a line once it runs, with the hook as `spillway run` puts it in place. */
export async function startHooked(
  directory: string,
  program: string,
  { bin = process.execPath, flags = [], env = {}, register = REGISTER, module = false }: HookedOptions = {},
): Promise<Started> {
  const file = join(temporary(), module ? 'agent.mjs' : 'agent.cjs');
  writeFileSync(file, program);
  const place = prepareHook(register, { env, command: [], given: directory });
  if (typeof place === 'string') throw new Error(place);
  const agent = await start(bin, [...flags, file], {
    awaitOutput: true,
    env: { PATH: process.env['PATH'], ...env, ...place.environment },
  });
  onTestFinished(agent.kill);
  return agent;
}

/** The hook in a process, once it is connected and has said its state. */
export async function hookOf(hooks: HookServer, pid: number, agent = pid): Promise<AgentHook> {
  hooks.follow({ main: [agent], pids: [agent, pid] });
  await until(() => hooks.of(pid)?.state !== undefined);
  const hook = hooks.of(pid);
  if (!hook) throw new Error(`the hook of ${pid} is gone`);
  return hook;
}
