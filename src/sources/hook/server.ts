import { chmodSync, existsSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { messageOf, SpillwayError } from '../../core/lib/errors.ts';
import { HOOK_FILES } from '../../core/model/hook-files.ts';
import { HOOK_VERSION, type HookHello, type HookState } from '../../core/model/hook-messages.ts';
import type { Requests } from '../../core/model/requests.ts';
import type { AgentHook, AgentHooks } from '../../core/ports/agent-hook.ts';
import { RequestTotals } from '../../core/report/request-totals.ts';
import { clearSocket, listAgent, putHook } from './directory.ts';
import { HookLink } from './link.ts';
import { findPeer, innerPidOf, isWithin } from './peer.ts';

export interface HookServerOptions {
  procRoot: string;
  /** Where it listens; it is there already. Without it there are no hooks. */
  directory?: string | undefined;
  /** The hook's file as it was built; where the agent loads it from the directory it is put there. */
  register?: string | undefined;
  gate: 'auto' | 'off';
  /** Paths that are never gated. */
  exempt: readonly string[];
  onProblem(message: string): void;
}

/** The processes of the agent, as last seen. */
export interface Followed {
  /** Its own process, and the one whose runtime is asked. */
  main: readonly number[];
  /** All of them. */
  pids: readonly number[];
}

export interface HookListeners {
  /** A hook has connected, and knows nothing yet. */
  connected?(hook: AgentHook): void;
  /** Its state is another. */
  state?(hook: AgentHook): void;
}

/** More processes with a hook than an agent has. */
const MOST_LINKS = 512;
/** Of the socket: its directory says who gets there, and an agent of another uid, whose volume is read-only, has to. */
const MODE = { private: 0o600, shared: 0o666 };

/** Where the hooks of the agent connect. */
export class HookServer implements AgentHooks {
  readonly #options: HookServerOptions;
  readonly #links = new Set<HookLink>();
  readonly #totals = new RequestTotals();
  readonly #byPid = new Map<number, HookLink>();
  #listeners: HookListeners = {};
  #followed: Followed = { main: [], pids: [] };
  #listed = '';
  #server: Server | undefined;

  constructor(options: HookServerOptions) {
    this.#options = options;
  }

  /** Who hears of it. */
  listen(listeners: HookListeners): void {
    this.#listeners = listeners;
  }

  /** Where it listens. */
  get directory(): string | undefined {
    return this.#options.directory;
  }

  /** It listens. */
  get listening(): boolean {
    return this.#server !== undefined;
  }

  of(pid: number): AgentHook | undefined {
    return this.#byPid.get(pid);
  }

  /** What all of them serve; `null` where none does. */
  requests(): Requests | null {
    return this.#totals.of([...this.#byPid.values()].flatMap(({ state }) => state ?? []));
  }

  waiting(): number | null {
    return this.#options.gate === 'off' ? null : (this.requests()?.waiting ?? null);
  }

  all(): readonly AgentHook[] {
    return [...this.#byPid.values()];
  }

  /**
   * Listens from here on; where that fails, agents are guarded without their hooks.
   * @throws SpillwayError `unavailable` where the hook's file is not in its directory: Node agents that load it would not start
   */
  async start(): Promise<void> {
    const { directory, register, onProblem } = this.#options;
    if (directory === undefined) return;
    if (register !== undefined) this.#put(directory, register);
    try {
      const path = clearSocket(directory);
      const server = createServer((socket) => this.#accept(new HookLink(socket, this.#events)));
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, () => {
          server.off('error', reject);
          server.on('error', (error) => onProblem(`the socket of the hook: ${messageOf(error)}`));
          resolve();
        });
      });
      this.#server = server;
      chmodSync(path, register === undefined ? MODE.private : MODE.shared);
    } catch (error) {
      onProblem(`no hook in the agent: ${messageOf(error)}`);
    }
  }

  #put(directory: string, register: string): void {
    try {
      putHook(directory, register);
    } catch (cause) {
      const problem = `the hook's file cannot be written to ${directory}: ${messageOf(cause)}`;
      // that of the guardian before this one serves as well
      const hint = 'make the directory of --hook-dir writable for the guardian, or set --hook off';
      if (!existsSync(`${directory}/${HOOK_FILES.register}`))
        throw new SpillwayError('unavailable', problem, { cause, hint });
      this.#options.onProblem(problem);
    }
  }

  /** The agent is these processes now: others are refused, and these learn that they are it. */
  follow(followed: Followed): void {
    this.#followed = followed;
    const listed = followed.main.join(' ');
    const { directory, procRoot, onProblem } = this.#options;
    if (!this.#server || directory === undefined || listed === this.#listed) return;
    const inner = [...new Set(followed.main)].map((pid) => innerPidOf(procRoot, pid));
    try {
      listAgent(
        directory,
        inner.filter((pid) => pid !== undefined),
      );
      this.#listed = listed;
    } catch (error) {
      if (this.#listed !== 'failed')
        onProblem(`the file that names the agent to its hook: ${messageOf(error)}`);
      this.#listed = 'failed';
    }
  }

  async close(): Promise<void> {
    for (const link of this.#links) link.close();
    const server = this.#server;
    if (!server) return;
    await new Promise((resolve) => server.close(resolve));
  }

  readonly #events = {
    greet: (hello: HookHello, link: HookLink) => this.#greet(hello, link),
    state: (link: HookLink, state: HookState) => this.#said(link, state),
    closed: (link: HookLink) => {
      this.#links.delete(link);
      if (this.#byPid.get(link.pid) === link) this.#byPid.delete(link.pid);
    },
  };

  #said(link: HookLink, state: HookState): void {
    this.#totals.heard(link.pid, state);
    this.#listeners.state?.(link);
  }

  #accept(link: HookLink): void {
    if (this.#links.size >= MOST_LINKS) link.close();
    else this.#links.add(link);
  }

  #greet(hello: HookHello, link: HookLink): number | undefined {
    const pid = this.#pidOf(hello);
    if (pid === undefined || hello.version !== HOOK_VERSION) return undefined;
    const before = this.#byPid.get(pid);
    this.#byPid.set(pid, link);
    before?.close();
    link.pid = pid;
    const { gate, exempt } = this.#options;
    link.send({ type: 'hello', version: HOOK_VERSION, gate, exempt });
    this.#listeners.connected?.(link);
    return pid;
  }

  /** Of the agent's own processes and no other. */
  #pidOf(hello: HookHello): number | undefined {
    const { procRoot } = this.#options;
    const { main, pids } = this.#followed;
    if (hello.start === null) return pids.includes(hello.pid) ? hello.pid : undefined; // no /proc
    const pid = findPeer(procRoot, hello);
    const belongs =
      pid !== undefined && (pids.includes(pid) || main.some((own) => isWithin(procRoot, pid, own)));
    return belongs ? pid : undefined;
  }
}
