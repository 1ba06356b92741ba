import { bursts, type Load, steady, together, use } from './load.ts';

const SECONDS = 24;

const everyFew = (seconds: readonly number[], count: number, withinMs: number) =>
  seconds.map((atSecond) => ({ atSecond, count, withinMs }));

/** Six loads by name, for one replica each. */
export const FIXED_LOADS: Readonly<Record<string, Load>> = {
  conversations: {
    about: 'conversations that only grow',
    agent: 'goodput-chat',
    limitMiB: 192,
    replicas: 1,
    arrivals: () =>
      steady(24, SECONDS, (i) => ({
        session: `s${i % 120}`,
        text: `${i} ${use('read_page', { count: 200_000 + (i % 5) * 50_000 })}`,
      })),
  },
  spikes: {
    about: 'tool-output spikes',
    agent: 'goodput-tools',
    limitMiB: 192,
    replicas: 1,
    arrivals: () =>
      together(
        steady(5, SECONDS, (i) => ({
          session: `s${i % 30}`,
          text: `${i} ${use('read_page', { count: 100_000 })}`,
        })),
        bursts(everyFew([3, 8, 13, 18], 12, 2500), (i) => ({
          session: `b${i % 30}`,
          text: `${i} ${use('read_page', { count: 5_500_000 })}`,
        })),
      ),
  },
  json: {
    about: 'bursts of large JSON',
    agent: 'goodput-graph',
    limitMiB: 192,
    replicas: 1,
    arrivals: () =>
      together(
        steady(3, SECONDS, (i) => ({ session: `s${i % 30}`, text: `${i} about {"count":500}` })),
        bursts(everyFew([2, 6, 10, 14, 18], 10, 500), (i) => ({
          session: `b${i % 30}`,
          text: `${i} about {"count":30000}`,
        })),
      ),
  },
  garbage: {
    about: 'garbage with a small live set',
    agent: 'goodput-tools',
    limitMiB: 192,
    replicas: 1,
    // a heap limit copied from a bigger machine, so that V8 sees no reason to collect in time
    nodeFlags: ['--max-old-space-size=4096'],
    arrivals: () =>
      steady(3, SECONDS, (i) => ({
        session: `s${i % 10}`,
        text: `${i} ${use('count_words', { count: 1_700_000 })}`,
      })),
  },
  files: {
    about: 'page-cache storm',
    agent: 'goodput-chat',
    limitMiB: 192,
    replicas: 1,
    arrivals: (directory) =>
      together(
        steady(3, SECONDS, (i) => ({
          session: `s${i % 20}`,
          text: `${i} ${use('read_page', { count: 20_000 })}`,
        })),
        steady(0.5, SECONDS, (i) => ({
          session: `f${i % 5}`,
          text: `${i} ${use('search_files', { directory })}`,
        })),
      ),
  },
  idle: {
    about: 'idle at 0.88 after a burst',
    agent: 'goodput-graph',
    limitMiB: 256,
    replicas: 1,
    arrivals: () =>
      together(
        bursts(everyFew([1], 6, 500), (i) => ({ session: `b${i}`, text: `${i} about {"count":68000}` })),
        steady(1.5, SECONDS, (i) => ({ session: `s${i % 5}`, text: `${i} about {"count":20}` })),
      ),
  },
};
