import { SpillwayError } from '../../core/lib/errors.ts';
import { goneError } from '../../core/ports/runtime-client.ts';
import type { ListeningSocket } from '../../core/proc/socket-table.ts';
import { getPprof } from './pprof.ts';
import { linkOf, startTimeOf } from './process.ts';

/** Whose pprof endpoint is looked for. */
export interface GoProcess {
  procRoot: string;
  pid: number;
  /** Clock ticks since boot (field 22 of `stat`); without it the process found at the first call counts. */
  startTime?: number;
  /** The agent's listening sockets; `null` when they may not be seen. */
  listening(procRoot: string, pid: number): Promise<ListeningSocket[] | null>;
}

const INDEX = '/debug/pprof/';
/** The port of Go's documentation is asked first. */
const USUAL_PORT = 6060;
/** Most sockets asked in one search: each may take its whole time limit. */
const MAX_ASKED = 8;
/** So often a socket may be late before it counts as one that serves something else: a protocol that waits to be greeted. */
const MAX_LATE = 3;
const MAX_INDEX_BYTES = 64 * 1024;
const SERVE_PPROF =
  'serve pprof in the agent: import _ "net/http/pprof" and http.ListenAndServe("127.0.0.1:6060", nil)';
const SAME_USER =
  'run the guardian with the uid and gid of the agent (securityContext.runAsUser and runAsGroup)';

/**
 * Finds the socket of a Go program that serves pprof and keeps to it. Only sockets of the agent itself are asked, by its open
 * files, and only in the guardian's network namespace. One that answers anything but pprof's index is not asked again, one
 * that does not answer in time twice more.
 * @param probeMs time limit of asking one
 */
export function createEndpoint(process: GoProcess, probeMs: number) {
  const { procRoot, pid } = process;
  let startTime = process.startTime;
  let found: ListeningSocket | undefined;
  /** Inodes of sockets that serve something else. */
  const others = new Set<number>();
  /** How often a socket did not answer in time. */
  const late = new Map<number, number>();

  /** The agent's sockets now: also the proof that it still lives and still is the one that listens there. */
  const sockets = async (): Promise<ListeningSocket[]> => {
    const lives = () => {
      const started = startTimeOf(procRoot, pid);
      startTime ??= started;
      if (started === undefined || started !== startTime) throw goneError(pid);
    };
    lives();
    const open = await process.listening(procRoot, pid);
    lives(); // what has ended meanwhile has no open files
    const network = linkOf(`${procRoot}/${pid}/ns/net`);
    if (open === null || network === undefined)
      throw new SpillwayError('refused', "the agent's open files are not visible", { hint: SAME_USER });
    if (network !== linkOf(`${procRoot}/self/ns/net`))
      throw new SpillwayError('refused', 'the agent has a network namespace of its own', {
        hint: 'run the guardian in the same pod',
      });
    return open;
  };

  const servesPprof = async (socket: ListeningSocket): Promise<boolean> => {
    let text = '';
    const onChunk = (chunk: Buffer) => {
      text += chunk.toString('latin1');
    };
    const answer = await getPprof({
      socket,
      path: INDEX,
      timeoutMs: probeMs,
      maxBytes: MAX_INDEX_BYTES,
      onChunk,
    });
    return 'status' in answer && answer.status === 200 && /heap\?debug=1/.test(text);
  };

  const find = async (): Promise<ListeningSocket> => {
    const usualFirst = (socket: ListeningSocket) => (socket.port === USUAL_PORT ? 0 : 1);
    const open = (await sockets())
      .filter(({ inode }) => !others.has(inode))
      .sort((a, b) => usualFirst(a) - usualFirst(b))
      .slice(0, MAX_ASKED);
    let slow: SpillwayError | undefined;
    for (const socket of open) {
      try {
        if (await servesPprof(socket)) return socket;
        others.add(socket.inode);
      } catch (error) {
        const times = (late.get(socket.inode) ?? 0) + 1;
        late.set(socket.inode, times);
        if (error instanceof SpillwayError && error.retryable && times < MAX_LATE) slow = error;
        else others.add(socket.inode);
      }
    }
    if (slow) throw slow;
    throw new SpillwayError('refused', 'the agent does not serve pprof on its ports', {
      hint: SERVE_PPROF,
    });
  };

  /** The socket to ask, which is still the agent's. */
  const current = async (): Promise<ListeningSocket> => {
    const known = found;
    if (known && !(await sockets()).some(({ inode }) => inode === known.inode)) found = undefined;
    found ??= await find();
    return found;
  };

  return { socket: current, port: () => found?.port };
}
