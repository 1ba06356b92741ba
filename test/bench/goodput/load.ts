/** One request of the users, at a fixed time after the start of the load. */
export interface Arrival {
  atMs: number;
  session: string;
  text: string;
}

/** Options of the agents' programs; what is missing is the program's own way. */
export interface AgentOptions {
  /** What a conversation keeps of its tool outputs. */
  keep?: 'whole' | 'answers';
  /** Whether SIGTERM is handled. */
  graceful?: boolean;
}

/** The same for each contender: arrival times and sizes are fixed, and nobody waits for an answer before asking again. */
export interface Load {
  about: string;
  /** Program of the agent, without `.mjs`. */
  agent: string;
  options?: AgentOptions;
  /** Of each replica. */
  limitMiB: number;
  replicas: number;
  /** Of its image. */
  nodeFlags?: readonly string[];
  arrivals(workspace: string): Arrival[];
}

type Request = (i: number) => Omit<Arrival, 'atMs'>;

/** What makes the model call a tool. */
export const use = (tool: string, args: Readonly<Record<string, number | string>>): string =>
  `use ${tool} ${JSON.stringify(args)}`;

/** `perSecond` requests for so many seconds, evenly. */
export function steady(perSecond: number, seconds: number, request: Request): Arrival[] {
  return Array.from({ length: Math.floor(perSecond * seconds) }, (_, i) => ({
    atMs: (i * 1000) / perSecond,
    ...request(i),
  }));
}

export interface Burst {
  atSecond: number;
  count: number;
  withinMs: number;
}

/** The requests of all bursts are numbered through. */
export function bursts(each: readonly Burst[], request: Request): Arrival[] {
  let i = 0;
  return each.flatMap(({ atSecond, count, withinMs }) =>
    Array.from({ length: count }, (_, place) => ({
      atMs: atSecond * 1000 + (place * withinMs) / count,
      ...request(i++),
    })),
  );
}

export const together = (...parts: readonly Arrival[][]): Arrival[] =>
  parts.flat().toSorted((a, b) => a.atMs - b.atMs);
