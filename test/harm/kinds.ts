import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Spec } from './spec.ts';

/** A healthy agent that a guardian must leave alone. */
export interface Kind
  extends Partial<Pick<Spec, 'how' | 'limitMiB' | 'uid' | 'clients' | 'ports' | 'attach' | 'env'>> {
  name: string;
  command: string[];
  /** Where its use comes to rest, as ratio: that it is what its name says. */
  rests: readonly [number, number];
}

/** What agents are made of. */
export interface Programs {
  /** A file in `agents/`. */
  agent(name: string): string;
  /** Folder of what was compiled: Java, Go, and a Node of another name. */
  compiled: string;
}

/** Written by `.ci/harm-tools`: Nodes, Bun, Deno, pm2 and more. */
export const TOOLS = process.env['TEST_HARM_TOOLS'] ?? '';
/** A package in there. */
export const tool = (path: string) => join(TOOLS, 'node_modules', path);

export const CALM = [0, 0.32] as const;
export const THIRD = [0.32, 0.48] as const;
export const HIGH = [0.7, 0.835] as const;

/** What a kind needs and is not here; nothing where all is. */
export function lackOf({ command }: Kind): string | undefined {
  return command.find((word, i) => (i === 0 || word.startsWith('/')) && !isHere(word));
}

function isHere(word: string): boolean {
  if (word.startsWith('/')) return existsSync(word);
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, word)));
}
