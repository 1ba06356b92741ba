import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { parseTcpTable, TCP_ESTABLISHED } from '../../core/proc-net.ts';
import { hasEnded } from '../../core/proc-text.ts';
import { ReachError } from '../../core/reach.ts';
import { type ListeningSocket, parseListening } from '../../core/socket-table.ts';
import { listeningSockets } from '../listening-ports.ts';
import { listPids, readChildren, readProc, readStat } from '../proc-fs.ts';
import { argsOf } from '../process-table.ts';
import { type InspectFlags, inspectFlags } from './flags.ts';
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
   * @throws ReachError when its network cannot be reached from here
   */
  find(timeoutMs: number): Promise<InspectorEndpoint | undefined>;
  /** Why SIGUSR1 must not be sent, looked at now and without a pause. */
  signalObstacle(): ReachError | undefined;
  /** Whether that very socket still listens. */
  listens(endpoint: InspectorEndpoint): boolean;
  /** Clients connected to it: local ports of the guardian's own connections, and how many others there are. */
  clients(endpoint: InspectorEndpoint): { own: number[]; others: number };
}

/** More listening sockets than this are no inspector's. */
const MAX_ASKED = 16;

export function createInspectorTarget(options: InspectorTargetOptions): InspectorTarget {
  const { procRoot, pid } = options;
  const folder = `${procRoot}/${pid}`;
  const found = readStat(procRoot, pid);
  const startTime = options.startTime ?? (found.kind === 'value' ? found.value.startTime : -1);
  /** Sockets that answered as something else: asked once in their life. */
  const notInspector = new Set<number>();

  const flags = (): InspectFlags => inspectFlags(argsOf(procRoot, pid), nodeOptionsOf(folder));
  const tables = () => ['tcp', 'tcp6'].map((name) => textOf(`${folder}/net/${name}`));
  const listening = () => tables().flatMap(parseListening);

  const ask = async (socket: ListeningSocket, timeoutMs: number): Promise<InspectorEndpoint | undefined> => {
    const answer = await askTargetList(socket.address, socket.port, timeoutMs);
    if (answer.kind === 'other') notInspector.add(socket.inode);
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
      // one number for each process namespace, the innermost last
      const numbers = status.kind === 'value' ? /^NSpid:\s*(.*)$/m.exec(status.value)?.[1] : undefined;
      return numbers === undefined ? undefined : Number(numbers.split(/\s+/).at(-1));
    },
    async find(timeoutMs) {
      const elsewhere = networkObstacle(procRoot, pid);
      if (elsewhere) throw elsewhere;
      const { port, atStart } = flags();
      // where its files may not be seen, only a port that it names can be its own
      const own =
        listeningSockets(procRoot, pid) ?? (atStart ? listening().filter((s) => s.port === port) : []);
      const candidates = own.filter(({ inode }) => !notInspector.has(inode));
      for (const socket of candidates.filter((s) => s.port === port)) {
        const endpoint = await ask(socket, timeoutMs);
        if (endpoint) return endpoint;
      }
      const others = candidates.filter((s) => s.port !== port && isLoopback(s.address)).slice(0, MAX_ASKED);
      return (await Promise.all(others.map((socket) => ask(socket, timeoutMs)))).find((endpoint) => endpoint);
    },
    // first for the best reason, then for the time: as little as can be passes between the last look and the signal
    signalObstacle: () =>
      networkObstacle(procRoot, pid) ??
      signalObstacle(procRoot, pid, startTime) ??
      portObstacle(flags(), listening()) ??
      clusterObstacle(procRoot, pid) ??
      signalObstacle(procRoot, pid, startTime),
    listens: ({ inode }) => listening().some((socket) => socket.inode === inode),
    clients({ port }) {
      const mine = ownSockets(procRoot);
      const rows = tables()
        .flatMap(parseTcpTable)
        .filter(({ state }) => state === TCP_ESTABLISHED);
      const own = rows
        .filter((row) => row.remotePort === port && mine.has(row.inode))
        .map((row) => row.localPort);
      const others = rows.filter((row) => row.localPort === port && !own.includes(row.remotePort)).length;
      return { own, others };
    },
  };
}

/** Loopback is one per network namespace: from another one, 127.0.0.1 is somebody else. */
function networkObstacle(procRoot: string, pid: number): ReachError | undefined {
  const its = linkOf(`${procRoot}/${pid}/ns/net`);
  const ours = linkOf(`${procRoot}/self/ns/net`);
  if (its === '' || ours === '' || its === ours) return undefined;
  return new ReachError('refused', `process ${pid} is in another network namespace`, {
    mend: 'run the guardian in the same pod, or with the same --network',
  });
}

/** Node would only say `address already in use`, but every signal costs the agent something. */
function portObstacle(
  { host, port }: InspectFlags,
  listening: readonly ListeningSocket[],
): ReachError | undefined {
  if (port === 0 || !listening.some((s) => s.port === port && overlap(s.address, host))) return undefined;
  return new ReachError('refused', `${host}:${port}, where Node would open its inspector, is in use`, {
    mend: 'give each agent an inspector port of its own: --inspect-port',
    passing: true,
  });
}

/**
 * The primary of a cluster passes the signal on to its workers, whatever that does to them, and their inspectors would stay
 * open. Node marks a worker by this variable.
 */
function clusterObstacle(procRoot: string, pid: number): ReachError | undefined {
  // the number of threads only matters when it is one
  const children =
    readChildren(procRoot, pid, 2) ?? listPids(procRoot).filter((p) => parentOf(procRoot, p) === pid);
  const workers = children.filter((child) =>
    /(?:^|\0)NODE_UNIQUE_ID=/.test(textOf(`${procRoot}/${child}/environ`)),
  );
  if (workers.length === 0) return undefined;
  return new ReachError(
    'refused',
    `process ${pid} is the primary of a cluster: SIGUSR1 would go to its workers too`,
    {
      mend: 'start the agent with --inspect; the workers are reached each by itself',
    },
  );
}

function parentOf(procRoot: string, pid: number): number | undefined {
  const stat = readStat(procRoot, pid);
  return stat.kind === 'value' ? stat.value.ppid : undefined;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function overlap(address: string, host: string): boolean {
  const wildcard = (name: string) => name === '0.0.0.0' || name === '::';
  return (
    address === host || wildcard(address) || wildcard(host) || (host === 'localhost' && isLoopback(address))
  );
}

/** `NODE_OPTIONS` of a process; empty where its environment may not be read. */
function nodeOptionsOf(folder: string): string {
  return /(?:^|\0)NODE_OPTIONS=([^\0]*)/.exec(textOf(`${folder}/environ`))?.[1] ?? '';
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
