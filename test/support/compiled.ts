import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const AGENTS = fileURLToPath(new URL('./agents', import.meta.url));

/** Whether a command is there and runs. */
export function runs(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

/** The `java` of the path, and those of `SPILLWAY_JAVAS` (separated as in PATH). */
export const JAVAS: readonly string[] = [
  'java',
  ...(process.env['SPILLWAY_JAVAS'] ?? '').split(delimiter),
].filter((java) => java !== '' && runs(java, '-version'));

/** The Go compiler, where there is one: of the path, else where its installer puts it. */
export const GO = ['go', '/usr/local/go/bin/go'].find((go) => runs(go, 'version'));

/** Compiles the agents in Java. */
export function compileJava(): { classPath: string; remove(): void } {
  const classPath = mkdtempSync(join(tmpdir(), 'spillway-java-'));
  execFileSync('javac', ['--release', '11', '-d', classPath, join(AGENTS, 'jvm-agent.java')], {
    stdio: 'pipe',
  });
  return { classPath, remove: () => rmSync(classPath, { recursive: true, force: true }) };
}

/** Compiles the agent in Go. */
export function compileGo(go: string): { program: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-go-'));
  const program = join(folder, 'agent');
  execFileSync(go, ['build', '-o', program, join(AGENTS, 'go-agent/main.go')], { stdio: 'pipe' });
  return { program, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
