import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** A started command and all its process group; `kill` ends them all. */
export interface Started {
  child: ChildProcess;
  pid: number;
  /** Standard output so far. */
  output(): string;
  kill(): void;
}

/** Starts a command in a process group of its own; with `awaitOutput`, waits until it has printed something. */
export async function start(
  command: string,
  args: string[],
  options: SpawnOptions & { awaitOutput?: boolean } = {},
): Promise<Started> {
  const { awaitOutput = false, ...rest } = options;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'], ...rest, detached: true });
  let text = '';
  child.stdout?.on('data', (data) => {
    text += String(data);
  });
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  if (awaitOutput) await until(() => text !== '');
  const pid = child.pid ?? 0;
  return {
    child,
    pid,
    output: () => text,
    kill: () => {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // it has ended by itself
      }
    },
  };
}

/** Waits until something holds; fails after 10 s. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await holds()) return;
    await sleep(10);
  }
  throw new Error(`still not so after 10 s: ${holds}`);
}
