import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { formatAddress, isLoopback } from '../../core/lib/address.ts';
import { SpillwayError } from '../../core/lib/errors.ts';
import { clean } from '../../core/lib/text.ts';
import { hasEnded, innerPid } from '../../core/proc/proc-text.ts';
import type { ListeningSocket } from '../../core/proc/socket-table.ts';
import { listeningSockets } from '../listening-ports.ts';
import { listPids, readChildren, readProc, readStat } from '../proc-fs.ts';
import { argsOf } from '../process-table.ts';
import { listeningIn, tcpTable } from '../tcp-tables.ts';
import { type InspectFlags, inspectFlags, signalFlag } from './flags.ts';
import { optionFileObstacle } from './option-files.ts';
import { signalObstacle } from './signal-safety.ts';
import { askTargetList } from './target-list.ts';

export interface InspectorTargetOptions {
  procRoot: string;
  pid: number;
  /** Clock ticks since boot (field 22 of `stat`); without it, the process that has the pid now is meant. */
  startTime?: number;
}

/** Where an inspector listens. */
export interface InspectorEndpoint {
  address: string;
  port: number;
  /** Names the listening socket. */
  inode: number;
  url: string;
}

/** What can be seen from outside of the inspector of one Node process. */
export interface InspectorTarget {
  readonly pid: number;
  alive(): boolean;
  /** The pid as the process itself knows it; `undefined` when it is gone. */
  innerPid(): number | undefined;
  /**
   * The open inspector, if there is one. Asks the port that the flags name, then those on loopback that the process holds.
   * @param opening a signal has just asked for it: who is silent now may be the one that opens
   * @throws SpillwayError when its network cannot be reached from here
   */
  find(timeoutMs: number, opening?: boolean): Promise<InspectorEndpoint | undefined>;
  /**
   * Why SIGUSR1 must not be sent, looked at now and without a pause.
   * @param listening from {@link listening}, not long ago
   */
  signalObstacle(listening: readonly ListeningSocket[]): SpillwayError | undefined;
  /** All sockets that listen in its network namespace. */
  listening(): Promise<readonly ListeningSocket[]>;
  /** Clients connected to it: local ports of the guardian's own connections, and how many others there are. */
  clients(endpoint: InspectorEndpoint): Promise<{ own: number[]; others: number }>;
}

/** More listening sockets than this are no inspector's. */
const MAX_ASKED = 16;

/**
 * Sockets that are no inspector, whoever asked them: one that answered as something else is asked once in its life, and one
 * that did not answer in time again after a while. An inspector answers from a thread of its own, however busy the agent is;
 * to wait for the agent's own server again took 0.3 s of the second there was before a kill.
 */
class NoInspectors {
  static readonly #SILENT_MS = 60_000;
  static readonly #MOST = 1000;
  readonly #untilMs = new Map<number, number>();

  add(inode: number, kind: 'other' | 'silent'): void {
    this.#untilMs.set(
      inode,
      kind === 'other' ? Number.POSITIVE_INFINITY : performance.now() + NoInspectors.#SILENT_MS,
    );
    const [oldest] = this.#untilMs.keys();
    if (oldest !== undefined && this.#untilMs.size > NoInspectors.#MOST) this.#untilMs.delete(oldest);
  }

  /** @param named the flags name this very port: on a starved machine an inspector may be late, too */
  has(inode: number, named: boolean): boolean {
    const untilMs = this.#untilMs.get(inode) ?? Number.NEGATIVE_INFINITY;
    return named ? untilMs === Number.POSITIVE_INFINITY : performance.now() < untilMs;
  }
}
const NO_INSPECTORS = new NoInspectors();

export function createInspectorTarget(options: InspectorTargetOptions): InspectorTarget {
  const { procRoot, pid } = options;
  const folder = `${procRoot}/${pid}`;
  const found = readStat(procRoot, pid);
  const startTime = options.startTime ?? (found.kind === 'value' ? found.value.startTime : -1);
  const flags = (): InspectFlags => inspectFlags(argsOf(procRoot, pid), nodeOptionsOf(folder));
  const listening = () => listeningIn(`${folder}/net`);

  const ask = async (
    socket: ListeningSocket,
    timeoutMs: number,
    opening: boolean,
  ): Promise<InspectorEndpoint | undefined> => {
    const answer = await askTargetList(socket.address, socket.port, timeoutMs);
    if (answer.kind === 'other' || (answer.kind === 'silent' && !opening))
      NO_INSPECTORS.add(socket.inode, answer.kind);
    return answer.kind === 'inspector' ? { ...socket, url: answer.url } : undefined;
  };

  return {
    pid,
    alive() {
      const stat = readStat(procRoot, pid);
      return stat.kind === 'value' && !hasEnded(stat.value) && stat.value.startTime === startTime;
    },
    innerPid() {
      const status = readProc(`${folder}/status`);
      return status.kind === 'value' ? innerPid(status.value) : undefined;
    },
    async find(timeoutMs, opening = false) {
      const elsewhere = networkObstacle(procRoot, pid);
      if (elsewhere) throw elsewhere;
      const { port, atStart } = flags();
      // where its files may not be seen, only a port that it names can be its own
      const own =
        (await listeningSockets(procRoot, pid)) ??
        (atStart ? (await listening()).filter((s) => s.port === port) : []);
      const candidates = own.filter(({ inode, port: at }) => !NO_INSPECTORS.has(inode, at === port));
      for (const socket of candidates.filter((s) => s.port === port)) {
        const endpoint = await ask(socket, timeoutMs, opening);
        if (endpoint) return endpoint;
      }
      const others = candidates.filter((s) => s.port !== port && isLoopback(s.address)).slice(0, MAX_ASKED);
      return (await Promise.all(others.map((socket) => ask(socket, timeoutMs, opening)))).find(
        (endpoint) => endpoint,
      );
    },
    // first for the best reason, then for the time: as little as can be passes between the last look and the signal
    signalObstacle: (taken) =>
      networkObstacle(procRoot, pid) ??
      signalObstacle(procRoot, pid, startTime) ??
      flagObstacle(procRoot, pid) ??
      optionFileObstacle(procRoot, pid) ??
      portObstacle(flags(), taken) ??
      clusterObstacle(procRoot, pid) ??
      signalObstacle(procRoot, pid, startTime),
    listening,
    async clients({ port }) {
      const table = await tcpTable(`${folder}/net`);
      const mine = ownSockets(procRoot);
      const { localPorts = [], remotePorts = [], inodes = [] } = table ?? {};
      const own = localPorts.filter((_, i) => remotePorts[i] === port && mine.has(inodes[i] ?? 0));
      const others = remotePorts.filter((remote, i) => localPorts[i] === port && !own.includes(remote));
      // a table too large to read: somebody may be there
      return { own, others: table ? others.length : 1 };
    },
  };
}

/** More wrappers than this have no meaning of their own. */
const MAX_WRAPPERS = 8;

/** Node may have been told what the signal means: by its own flags, or in the command line of what started it. */
function flagObstacle(procRoot: string, pid: number): SpillwayError | undefined {
  const environment = environmentOf(`${procRoot}/${pid}`);
  if (environment === undefined)
    return new SpillwayError(
      'refused',
      `the environment of process ${pid} is not readable: its reaction to SIGUSR1 is unknown`,
      { hint: 'run the guardian with the uid and gid of the agent' },
    );
  const own = [...argsOf(procRoot, pid), nodeOptionsIn(environment)];
  for (let [at, words, left] = [pid, own, MAX_WRAPPERS]; left > 0; left--) {
    const flag = signalFlag(words);
    if (flag !== undefined)
      return new SpillwayError(
        'refused',
        `process ${at} was started with ${clean(flag)}: it may handle SIGUSR1 otherwise`,
        {
          hint: 'start the agent with --inspect',
        },
      );
    const parent = parentOf(procRoot, at);
    if (parent === undefined || parent <= 1) return undefined;
    at = parent;
    words = argsOf(procRoot, parent);
  }
  return undefined;
}

/** Loopback is one per network namespace: from another one, 127.0.0.1 is somebody else. */
function networkObstacle(procRoot: string, pid: number): SpillwayError | undefined {
  const its = linkOf(`${procRoot}/${pid}/ns/net`);
  const ours = linkOf(`${procRoot}/self/ns/net`);
  if (its === '' || ours === '' || its === ours) return undefined;
  return new SpillwayError('refused', `process ${pid} is in another network namespace`, {
    hint: 'run the guardian in the same pod, or with the same --network',
  });
}

/** Node would only say `address already in use`, but every signal costs the agent something. */
function portObstacle(
  { host, port }: InspectFlags,
  listening: readonly ListeningSocket[],
): SpillwayError | undefined {
  if (port === 0 || !listening.some((s) => s.port === port && overlap(s.address, host))) return undefined;
  return new SpillwayError(
    'refused',
    `${formatAddress({ host, port })}, the address of Node's inspector, is in use`,
    {
      hint: 'give each agent an inspector port of its own: --inspect-port',
      retryable: true,
    },
  );
}

/**
 * The primary of a cluster forwards the signal to its workers, whatever that does to them, and their inspectors would stay
 * open. Node marks a worker by this variable.
 */
function clusterObstacle(procRoot: string, pid: number): SpillwayError | undefined {
  // the number of threads only matters when it is one
  const children =
    readChildren(procRoot, pid, 2) ?? listPids(procRoot).filter((p) => parentOf(procRoot, p) === pid);
  const workers = children.filter((child) =>
    /(?:^|\0)NODE_UNIQUE_ID=/.test(textOf(`${procRoot}/${child}/environ`)),
  );
  if (workers.length === 0) return undefined;
  return new SpillwayError(
    'refused',
    `process ${pid} is the primary of a cluster: its workers would get SIGUSR1, too`,
    {
      hint: 'start the agent with --inspect; each worker has its own inspector',
    },
  );
}

function parentOf(procRoot: string, pid: number): number | undefined {
  const stat = readStat(procRoot, pid);
  return stat.kind === 'value' ? stat.value.ppid : undefined;
}

function overlap(address: string, host: string): boolean {
  const wildcard = (name: string) => name === '0.0.0.0' || name === '::';
  return (
    address === host || wildcard(address) || wildcard(host) || (host === 'localhost' && isLoopback(address))
  );
}

/** `NODE_OPTIONS` of a process; empty where its environment may not be read. */
function nodeOptionsOf(folder: string): string {
  return nodeOptionsIn(environmentOf(folder) ?? '');
}

function nodeOptionsIn(environment: string): string {
  return /(?:^|\0)NODE_OPTIONS=([^\0]*)/.exec(environment)?.[1] ?? '';
}

function environmentOf(folder: string): string | undefined {
  try {
    return readFileSync(`${folder}/environ`, 'latin1');
  } catch {
    return undefined; // another user's, or gone
  }
}

function ownSockets(procRoot: string): Set<number> {
  const folder = `${procRoot}/self/fd`;
  const links = readdirSync(folder).map((fd) => /^socket:\[(\d+)\]$/.exec(linkOf(`${folder}/${fd}`))?.[1]);
  return new Set(links.filter((inode) => inode !== undefined).map(Number));
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return ''; // another user's, gone, or a kernel without IPv6
  }
}
