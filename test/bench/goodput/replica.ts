import { setTimeout as sleep } from 'node:timers/promises';
import { locateCgroup } from '../../../src/sources/cgroup/locate.ts';
import { nowMs } from '../support/probe.ts';
import { launch, type Running } from '../support/programs.ts';
import { type HeldMemory, openHeldMemory } from './held-memory.ts';

const RESTART_MS = 1000;
const LOOK_EVERY_MS = 10;
const END_WITHIN_MS = 10_000;

/** One life of the agent's process. */
export interface Life {
  pid: number;
  listeningMs: number;
  diedMs: number | undefined;
  /** The kernel's kill, V8's own abort, or an end by itself or by a guardian. */
  cause: 'oom' | 'abort' | 'ended' | undefined;
  /** Conversations served in this life. */
  sessions: Set<string>;
}

export interface Sample {
  atMs: number;
  /** Unreclaimable memory, by the limit. */
  ratio: number;
}

/** A container that is started again a second after it has died, and what it held, seen from outside every 10 ms. */
export interface Replica {
  readonly lives: readonly Life[];
  readonly samples: readonly Sample[];
  /** The life that answers now. */
  current(): Life | undefined;
  /** All that it wrote, for when it does not come up. */
  output(): string;
  stop(): Promise<void>;
}

/** @param inside the `cgroup.procs` file of the group made for it, if any */
export function startReplica(command: readonly string[], limitBytes: number, inside?: string): Replica {
  const [file = '', ...args] = command;
  const lives: Life[] = [];
  const samples: Sample[] = [];
  let running: Running | undefined;
  let stopping = false;
  let output = '';
  let memory: { held: HeldMemory; kills: number; path: string } | undefined;

  const current = () => (lives.at(-1)?.diedMs === undefined ? lives.at(-1) : undefined);

  const begins = (pid: number) => {
    lives.push({ pid, listeningMs: nowMs(), diedMs: undefined, cause: undefined, sessions: new Set() });
    const place = read(() => locateCgroup('/proc', pid));
    if (!place || memory?.path === place.path) return;
    const { path, version, directories } = place;
    memory?.held.close();
    const held = openHeldMemory(directories[0] ?? '', version === 'v1' ? 1 : 2);
    memory = { held, kills: held.oomKills(), path };
  };
  const ends = (life: Life) => {
    life.diedMs = nowMs();
    const kills = memory && read(memory.held.oomKills);
    life.cause ??= memory && kills !== undefined && kills > memory.kills ? 'oom' : 'ended';
    if (memory && kills !== undefined) memory.kills = kills;
  };
  const hear = (text: string) => {
    output = (output + text).slice(-4000);
    for (const [, pid] of text.matchAll(/^listening on \S+ pid (\d+)$/gm)) begins(Number(pid));
    const last = lives.at(-1);
    if (last && /FATAL ERROR:.*heap/.test(text)) last.cause = 'abort';
  };

  const keepRunning = async () => {
    while (!stopping) {
      running = launch(file, args, inside);
      for (const stream of [running.child.stdout, running.child.stderr])
        stream?.on('data', (data: Buffer) => hear(data.toString()));
      await running.exited;
      if (!stopping) await sleep(RESTART_MS);
    }
  };
  const kept = keepRunning();
  const looks = setInterval(() => {
    const life = current();
    if (life && !isAlive(life.pid)) ends(life);
    const heldBytes = memory && read(memory.held.heldBytes);
    if (heldBytes !== undefined) samples.push({ atMs: nowMs(), ratio: heldBytes / limitBytes });
  }, LOOK_EVERY_MS);

  return {
    lives,
    samples,
    current,
    output: () => output,
    async stop() {
      clearInterval(looks);
      stopping = true;
      // SIGTERM first: a guardian takes away what it made
      running?.child.kill('SIGTERM');
      const left = setTimeout(() => running?.child.kill('SIGKILL'), END_WITHIN_MS);
      await kept;
      clearTimeout(left);
      memory?.held.close();
    },
  };
}

const isAlive = (pid: number): boolean => read(() => process.kill(pid, 0)) ?? false;

/** `undefined` once what is read is gone. */
function read<T>(from: () => T): T | undefined {
  try {
    return from();
  } catch {
    return undefined;
  }
}
