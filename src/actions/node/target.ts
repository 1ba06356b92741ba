import type { ReachError } from '../../core/reach.ts';

/** Where the agent's inspector listens. */
export interface InspectorEndpoint {
  address: string;
  port: number;
  inode: number;
  /** `ws://127.0.0.1:9229/<uuid>` */
  url: string;
}

/** What can be seen of the agent's inspector from outside; `sources/inspector/target.ts` gives it. */
export interface InspectorTarget {
  readonly pid: number;
  alive(): boolean;
  /** The pid as the agent itself knows it. */
  innerPid(): number | undefined;
  /** @throws ReachError when its network cannot be reached from here */
  find(timeoutMs: number): Promise<InspectorEndpoint | undefined>;
  /** Why SIGUSR1 must not be sent, looked at now and without a pause. */
  signalObstacle(): ReachError | undefined;
  listens(endpoint: InspectorEndpoint): boolean;
  /** Local ports of the guardian's own connections, and how many others there are. */
  clients(endpoint: InspectorEndpoint): { own: number[]; others: number };
}

/** Time limits in milliseconds. */
export interface NodeTimeouts {
  /** To tell whether an address is an inspector. Default 300; measured 2–5. */
  askMs: number;
  /** For the WebSocket. Default 1,000; measured 2–10. */
  connectMs: number;
  /** From SIGUSR1 to the open inspector. Default 1,000; measured 25. */
  openMs: number;
  /** For the event loop to turn: a longer block is none to wait for. Default 300. */
  turnMs: number;
  /** For what only reads. Default 500; measured 1–4. */
  answerMs: number;
  /** For a collection. Default 10,000; measured 2,300 with 1.5 GB of live objects. */
  collectMs: number;
  /** After how long without the guardian an inspector it opened closes itself. Default 30,000. */
  switchMs: number;
}

export const NODE_TIMEOUTS: NodeTimeouts = {
  askMs: 300,
  connectMs: 1000,
  openMs: 1000,
  turnMs: 300,
  answerMs: 500,
  collectMs: 10_000,
  switchMs: 30_000,
};
