import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

const LIMIT_MS = 120_000;

const line = (namespace: string, pod: string, container: string, command: string[]) => [
  ...['exec', '--namespace', namespace, pod, '--container', container, '--'],
  ...command,
];

/** Runs a command in a container. @throws Error when it fails */
export async function execIn(
  namespace: string,
  pod: string,
  container: string,
  command: string[],
): Promise<string> {
  const run = promisify(execFile);
  return (await run('kubectl', line(namespace, pod, container, command), { timeout: LIMIT_MS })).stdout;
}

/** Starts a command in a container and waits for its first line; `rest` is what it says until it ends. */
export async function startIn(namespace: string, pod: string, container: string, command: string[]) {
  const child = spawn('kubectl', line(namespace, pod, container, command), {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: LIMIT_MS,
  });
  const ended = once(child, 'close');
  const [first] = await Promise.race([once(child.stdout, 'data'), ended.then(() => [''])]);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  return { first: `${first}`, rest: ended.then(() => text) };
}
