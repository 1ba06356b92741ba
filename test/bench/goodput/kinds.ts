import { type AgentOptions, type Arrival, bursts, steady, together, use } from './load.ts';

const MIB = 2 ** 20;

export const SDKS = ['openai', 'ai', 'langgraph'] as const;
export type Sdk = (typeof SDKS)[number];

/** Programs of the agents, by the SDK that each is written on. */
export const AGENTS: Readonly<Record<Sdk, string>> = {
  openai: 'goodput-chat',
  ai: 'goodput-tools',
  langgraph: 'goodput-graph',
};

/** Unreclaimable memory of an agent that has answered a few requests. */
const REST_MIB = 45;
/** Memory of a kept tool output by its bytes: LangGraph's checkpoints keep it several times. */
const HELD_PER_BYTE: Readonly<Record<Sdk, number>> = { openai: 1.3, ai: 1.3, langgraph: 4 };
/** Memory of a tool output while a request is in flight, by its bytes: it goes to the model again and again. */
const IN_FLIGHT_PER_BYTE = 3;
/** Memory of a document of JSON while it is parsed, by its bytes. */
const PARSED_PER_BYTE = 2.5;
const RECORD_BYTES = 190;
/** What {@link Kind} `garbage` makes of a page, by its bytes, and how long it takes for a MB of it. */
const WORDS_PER_BYTE = 20;
const WORDS_MS_PER_MB = 90;
const INDEX_PIECES = 10;
const SPIKE_OUTPUTS = 3;

/** What is drawn of a kind, and what a load of it is like. */
export interface Kind {
  limitsMiB: readonly number[];
  /** The same for three replicas, which share the processors of the bench. */
  limitsOfThreeMiB: readonly number[];
  seconds: number;
  keep: NonNullable<AgentOptions['keep']>;
  /** Heap limit of the image, where it is not Node's own. */
  heapMiB?(limitMiB: number): number;
  /** Each is drawn evenly between its bounds. */
  ranges: Readonly<Record<string, readonly [least: number, most: number, whole?: 'whole']>>;
  /** Bytes of one page, document or index, by what was drawn. */
  bytes(drawn: Drawn, place: Place): number;
  arrivals(drawn: Drawn, bytes: number, place: Place & { workspace: string }): Arrival[];
}

type Drawn = Readonly<Record<string, number>>;

interface Place {
  sdk: Sdk;
  limitMiB: number;
  replicas: number;
  seconds: number;
}

const LIMITS_MIB = [192, 256, 384, 512, 768, 1024];
const UP_TO_512 = LIMITS_MIB.filter((limit) => limit <= 512);
const SMALL = [192, 256, 384];

const roomBytes = ({ limitMiB }: Place) => (limitMiB - REST_MIB) * MIB;
/** Node 20's own heap limit: 259 MiB up to a container of 512 MiB, then half of it. */
const defaultHeapMiB = (limitMiB: number) => Math.max(259, limitMiB / 2);
const light = (perSecond: number, { replicas, seconds }: Place): Arrival[] =>
  steady(perSecond * replicas, seconds, (i) => ({
    session: `l${i % (30 * replicas)}`,
    text: `${i} ${use('read_page', { count: 5000 })}`,
  }));
const varied = (bytes: number, i: number, by: number) => Math.round(bytes * (1 + by * ((i % 3) - 1)));

/** Sessions of a few turns each, whose tool outputs are kept. */
function growing({ perSecond = 0, turns = 1 }: Drawn, bytes: number, place: Place): Arrival[] {
  const { replicas, seconds } = place;
  const sessions = Math.ceil((perSecond * replicas * seconds) / turns);
  return steady(perSecond * replicas, seconds, (i) => ({
    session: `s${i % sessions}`,
    text: `${i} ${use('read_page', { count: varied(bytes, i, 0.3) })}`,
  }));
}

const perRequest = (totalBytes: number, perSecond: number, { sdk, seconds }: Place) =>
  totalBytes / (perSecond * seconds) / HELD_PER_BYTE[sdk];

/** What `pressure` is a share of: the room that the limit leaves, of which 1 fills all. */
export const KINDS = {
  growth: {
    limitsMiB: LIMITS_MIB,
    limitsOfThreeMiB: SMALL,
    seconds: 24,
    keep: 'whole',
    // the kernel kills, not V8
    heapMiB: (limitMiB) => limitMiB,
    ranges: { pressure: [0.6, 1.7], perSecond: [10, 24], turns: [1, 3, 'whole'] },
    bytes: ({ pressure = 0, perSecond = 0 }, place) =>
      perRequest(pressure * roomBytes(place), perSecond, place),
    arrivals: growing,
  },
  'heap-limit': {
    limitsMiB: [512, 768, 1024],
    limitsOfThreeMiB: [512],
    seconds: 24,
    keep: 'whole',
    ranges: { pressure: [0.6, 1.7], perSecond: [10, 24], turns: [1, 3, 'whole'] },
    bytes: ({ pressure = 0, perSecond = 0 }, place) =>
      perRequest(pressure * defaultHeapMiB(place.limitMiB) * MIB, perSecond, place),
    arrivals: growing,
  },
  'slow-leak': {
    limitsMiB: UP_TO_512,
    limitsOfThreeMiB: SMALL,
    seconds: 32,
    keep: 'answers',
    heapMiB: (limitMiB) => limitMiB,
    ranges: { pressure: [0.8, 1.6], perSecond: [10, 16] },
    bytes: ({ pressure = 0, perSecond = 0 }, place) =>
      (pressure * roomBytes(place)) / (perSecond * place.seconds),
    arrivals: ({ perSecond = 0 }, bytes, { replicas, seconds }) =>
      steady(perSecond * replicas, seconds, (i) => ({
        session: `s${i % (60 * replicas)}`,
        text: `${i} ${use('cached_page', { count: varied(bytes, i, 0.3) })}`,
      })),
  },
  // 75 requests within a second, give or take
  spike: {
    limitsMiB: UP_TO_512,
    limitsOfThreeMiB: SMALL,
    seconds: 24,
    keep: 'answers',
    ranges: {
      pressure: [0.5, 1.8],
      count: [60, 90, 'whole'],
      withinMs: [700, 1000],
      atSecond: [4, 8],
      again: [7, 11],
      lightPerSecond: [2, 5],
    },
    bytes: ({ pressure = 0, count = 1 }, place) =>
      (pressure * roomBytes(place)) / (count * SPIKE_OUTPUTS * IN_FLIGHT_PER_BYTE),
    arrivals: ({ count = 0, withinMs = 0, atSecond = 0, again = 0, lightPerSecond = 0 }, bytes, place) =>
      together(
        light(lightPerSecond, place),
        bursts(
          [atSecond, atSecond + again].map((second) => ({
            atSecond: second,
            count: count * place.replicas,
            withinMs,
          })),
          (i) => ({
            session: `b${i}`,
            text: `${i} ${Array(SPIKE_OUTPUTS)
              .fill(use('read_page', { count: varied(bytes, i, 0.2) }))
              .join(' ')}`,
          }),
        ),
      ),
  },
  documents: {
    limitsMiB: LIMITS_MIB,
    limitsOfThreeMiB: SMALL,
    seconds: 24,
    keep: 'answers',
    heapMiB: (limitMiB) => limitMiB,
    ranges: {
      pressure: [0.6, 2.2],
      count: [8, 16, 'whole'],
      withinMs: [1500, 3000],
      atSecond: [4, 8],
      again: [7, 11],
      lightPerSecond: [2, 4],
    },
    bytes: ({ pressure = 0, count = 1 }, place) => (pressure * roomBytes(place)) / (count * PARSED_PER_BYTE),
    arrivals: ({ count = 0, withinMs = 0, atSecond = 0, again = 0, lightPerSecond = 0 }, bytes, place) =>
      together(
        light(lightPerSecond, place),
        bursts(
          [atSecond, atSecond + again].map((second) => ({
            atSecond: second,
            count: count * place.replicas,
            withinMs,
          })),
          (i) => ({
            session: `d${i}`,
            text: `${i} ${use('read_records', { count: Math.ceil(varied(bytes, i, 0.5) / RECORD_BYTES) })}`,
          }),
        ),
      ),
  },
  garbage: {
    limitsMiB: SMALL,
    limitsOfThreeMiB: [192, 256],
    seconds: 24,
    keep: 'answers',
    // copied from a bigger machine, so that V8 sees no reason to collect in time
    heapMiB: () => 4096,
    ranges: { pressure: [0.15, 0.35], busy: [0.25, 0.5] },
    bytes: ({ pressure = 0 }, place) => (pressure * roomBytes(place)) / WORDS_PER_BYTE,
    arrivals: ({ busy = 0 }, bytes, { replicas, seconds }) =>
      steady((busy * 1000) / ((bytes / 1e6) * WORDS_MS_PER_MB), seconds, (i) => ({
        session: `s${i % (10 * replicas)}`,
        text: `${i} ${use('count_words', { count: varied(bytes, i, 0.3) })}`,
      })),
  },
  'page-cache': {
    limitsMiB: [192, 256],
    limitsOfThreeMiB: [192],
    seconds: 24,
    keep: 'answers',
    ranges: { searchesPerSecond: [0.2, 0.5], lightPerSecond: [2, 5] },
    bytes: () => 0,
    arrivals: ({ searchesPerSecond = 0, lightPerSecond = 0 }, _bytes, place) =>
      together(
        light(lightPerSecond, place),
        steady(searchesPerSecond * place.replicas, place.seconds, (i) => ({
          session: `f${i % (5 * place.replicas)}`,
          text: `${i} ${use('search_files', { directory: place.workspace })}`,
        })),
      ),
  },
  'idle-high': {
    limitsMiB: LIMITS_MIB,
    limitsOfThreeMiB: UP_TO_512,
    seconds: 24,
    keep: 'answers',
    ranges: { restRatio: [0.8, 0.9], lightPerSecond: [1, 3] },
    bytes: ({ restRatio = 0 }, place) => (restRatio * place.limitMiB - REST_MIB) * (MIB / INDEX_PIECES),
    arrivals: ({ lightPerSecond = 0 }, bytes, place) =>
      together(
        steady(3 * place.replicas, INDEX_PIECES / 3, (i) => ({
          session: `x${i % place.replicas}`,
          text: `${i} ${use('load_index', { count: Math.round(bytes) })}`,
        })),
        light(lightPerSecond, place),
      ),
  },
} satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;
