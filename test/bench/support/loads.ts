/** One request of the users, at a fixed time after the start of the load. */
export interface Arrival {
  atMs: number;
  session: string;
  text: string;
}

export interface Load {
  about: string;
  /** Program of the agent, without `.mjs`. */
  agent: string;
  limitMiB: number;
  /** Of its image: here a heap limit copied from a bigger machine, so that V8 sees no reason to collect in time. */
  nodeFlags?: readonly string[];
  arrivals(workspace: string): Arrival[];
}

/** Length of each load, in seconds. */
const SECONDS = 24;

const readPage = (bytes: number) => `use read_page {"count":${bytes}}`;

/** `perSecond` requests, evenly. */
function steady(
  perSecond: number,
  request: (i: number) => Omit<Arrival, 'atMs'>,
  seconds = SECONDS,
): Arrival[] {
  return Array.from({ length: Math.floor(perSecond * seconds) }, (_, i) => ({
    atMs: (i * 1000) / perSecond,
    ...request(i),
  }));
}

/** `count` requests within `withinMs`, at each of the times (in seconds). */
function bursts(
  seconds: readonly number[],
  count: number,
  withinMs: number,
  request: (i: number) => Omit<Arrival, 'atMs'>,
): Arrival[] {
  return seconds.flatMap((second, burst) =>
    Array.from({ length: count }, (_, i) => ({
      atMs: second * 1000 + (i * withinMs) / count,
      ...request(burst * count + i),
    })),
  );
}

const together = (...parts: Arrival[][]): Arrival[] => parts.flat().toSorted((a, b) => a.atMs - b.atMs);

/** The same for each contender: arrival times and sizes are fixed, and nobody waits for an answer before asking again. */
export const LOADS: Readonly<Record<string, Load>> = {
  conversations: {
    about: 'conversations that only grow',
    agent: 'goodput-chat',
    limitMiB: 192,
    arrivals: () =>
      steady(24, (i) => ({ session: `s${i % 120}`, text: `${i} ${readPage(200_000 + (i % 5) * 50_000)}` })),
  },
  spikes: {
    about: 'tool-output spikes',
    agent: 'goodput-tools',
    limitMiB: 192,
    arrivals: () =>
      together(
        steady(5, (i) => ({ session: `s${i % 30}`, text: `${i} ${readPage(100_000)}` })),
        bursts([3, 8, 13, 18], 12, 2500, (i) => ({
          session: `b${i % 30}`,
          text: `${i} ${readPage(5_500_000)}`,
        })),
      ),
  },
  json: {
    about: 'bursts of large JSON',
    agent: 'goodput-graph',
    limitMiB: 192,
    arrivals: () =>
      together(
        steady(3, (i) => ({ session: `s${i % 30}`, text: `${i} about {"count":500}` })),
        bursts([2, 6, 10, 14, 18], 10, 500, (i) => ({
          session: `b${i % 30}`,
          text: `${i} about {"count":30000}`,
        })),
      ),
  },
  garbage: {
    about: 'garbage with a small live set',
    agent: 'goodput-tools',
    limitMiB: 192,
    nodeFlags: ['--max-old-space-size=4096'],
    arrivals: () =>
      steady(3, (i) => ({ session: `s${i % 10}`, text: `${i} use count_words {"count":1700000}` })),
  },
  files: {
    about: 'page-cache storm',
    agent: 'goodput-chat',
    limitMiB: 192,
    arrivals: (workspace) =>
      together(
        steady(3, (i) => ({ session: `s${i % 20}`, text: `${i} ${readPage(20_000)}` })),
        steady(0.5, (i) => ({
          session: `f${i % 5}`,
          text: `${i} use search_files {"directory":"${workspace}"}`,
        })),
      ),
  },
  idle: {
    about: 'idle at 0.88 after a burst',
    agent: 'goodput-graph',
    limitMiB: 256,
    arrivals: () =>
      together(
        bursts([1], 6, 500, (i) => ({ session: `b${i}`, text: `${i} about {"count":68000}` })),
        steady(1.5, (i) => ({ session: `s${i % 5}`, text: `${i} about {"count":20}` })),
      ),
  },
};
