import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildSync } from 'esbuild';
import { CLI } from '../support/cli.ts';
import { GO, runs } from '../support/compiled.ts';

const here = import.meta.dirname;

/** A folder where every user may read what the tier runs: the built command, the agents, the observer. */
export interface Stage {
  cli: string;
  contacts: string;
  /** A guardian that does harm. */
  rough: string;
  observer: string;
  agent(name: string): string;
  /** Agents compiled here: Java, Go, and a Node that is called otherwise. */
  compiled: string;
  /** For the notes of one agent; every user may write there. */
  folder(): string;
  remove(): void;
}

/** `other`: the Node to copy. */
export function stage(other: string): Stage {
  mkdirSync('/var/tmp', { recursive: true });
  const root = mkdtempSync('/var/tmp/spillway-harm-');
  chmodSync(root, 0o755);
  const at = (name: string) => join(root, name);
  cpSync(dirname(CLI), at('dist'), { recursive: true });
  cpSync(join(here, 'agents'), at('agents'), { recursive: true });
  for (const name of ['contacts.mjs', 'rough-guardian.mjs']) cpSync(join(here, name), at(name));
  symlinkSync(join(here, '../../node_modules'), at('node_modules'));
  mkdirSync(at('compiled'));
  cpSync(other, at('compiled/agent'));
  if (runs('javac', '-version'))
    execFileSync('javac', ['-d', at('compiled'), at('agents/HarmAgent.java')], { stdio: 'pipe' });
  if (GO)
    execFileSync(GO, ['build', '-o', at('compiled/go-agent'), at('agents/go-agent/main.go')], {
      stdio: 'pipe',
    });
  buildSync({
    entryPoints: [join(here, 'observer.ts')],
    outfile: at('observer.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
  let folders = 0;
  return {
    cli: at('dist/spillway.js'),
    contacts: at('contacts.mjs'),
    rough: at('rough-guardian.mjs'),
    observer: at('observer.mjs'),
    agent: (name) => at(join('agents', name)),
    compiled: at('compiled'),
    folder() {
      const path = at(`run-${++folders}`);
      mkdirSync(path);
      chmodSync(path, 0o777);
      return path;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
