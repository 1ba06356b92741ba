import { messageOf, SpillwayError } from '../lib/errors.ts';
import { LEVELS, type Level } from './status.ts';

/**
 * What the hook in a Node agent and the guardian say to each other over the hook's socket: JSON lines, UTF-8. A message of a
 * type that is not known here is ignored, so that a hook and a guardian of different releases work together; one that is known
 * and malformed ends the connection.
 */

/** Both say it first; with another version on the other side nothing is done. */
export const HOOK_VERSION = 1;
/** Characters in a line: a profile of a big heap has up to 580 Ki, a chunk of a snapshot 1 Mi. */
export const MOST_FROM_HOOK = 64 * 1024 * 1024;
export const MOST_FROM_GUARDIAN = 1024 * 1024;

/** A message of the Chrome DevTools protocol. */
export interface CdpMessage {
  id?: number;
  method?: string;
  params?: object;
  result?: object;
  error?: { message: string };
}

export interface HookHello {
  type: 'hello';
  version: number;
  /** As its own PID namespace sees it. */
  pid: number;
  /** Clock ticks from boot to its start (field 22 of `stat`); `null` where there is no `/proc`. */
  start: number | null;
  /** Release of Node: `v22.1.0`. */
  node: string;
}

/** The agent as the hook sees it. */
export interface HookState {
  type: 'state';
  /** Requests being answered; those that wait are none of them. */
  inFlight: number;
  waiting: number;
  /** How long one that comes now would wait, as far as such requests tell; 0 where none waits. */
  waitMs: number;
  /** Until all that are being answered have ended, at the latest as far as such requests tell; those that last may never end. */
  endsInMs: number;
  /** Since the process started. */
  refused: number;
  /** The program handles SIGTERM itself. */
  sigterm: boolean;
  /** How late the event loop was at the last look. */
  lateMs: number;
  /** HTTP servers that are seen; with 0 `inFlight` says nothing. */
  servers: number;
  admittedPerSecond: number;
  /** Of the main thread, against its own limit; near it with what the last full collection has left. */
  heap: HeapSize & { left?: LeftInUse };
}

/** Bytes. */
export interface HeapSize {
  usedBytes: number;
  limitBytes: number;
}

/** What a full collection has left in use: exactly that is live. */
export interface LeftInUse {
  bytes: number;
  /** Milliseconds since it was noticed. */
  agoMs: number;
}

/** An answer or an event of the in-process inspector session; or, from the guardian, a command for it. */
export interface Cdp {
  type: 'cdp';
  message: CdpMessage;
}

export type HookMessage = HookHello | HookState | Cdp;

export interface GuardianHello {
  type: 'hello';
  version: number;
  gate: 'auto' | 'off';
  /** Paths that are never gated. */
  exempt: readonly string[];
}

/** The agent's memory as the guardian judges it. */
export interface MemoryMessage {
  type: 'memory';
  /** When it was read, in milliseconds of the machine's monotonic clock: a busy process hears of it later. */
  atMs: number;
  /** Unreclaimable. */
  usedBytes: number;
  limitBytes: number;
  /** Of the constraint nearest to its end: of memory, or of another. */
  ratio: number;
  level: Level;
  /** Usage has not fallen for the longest un-ready time. */
  stuck: boolean;
  shedRatio: number;
  criticalRatio: number;
  /** Bytes. */
  growthPerSecond: number;
  secondsToLimit: number | null;
  /** The runtime's heap against its own limit, while that is near. */
  heap: HeapSize | null;
}

/** The agent admits no new work. */
export interface Draining {
  type: 'draining';
  reason: string;
  retryAfterSeconds: number;
}

/** … and does again. */
export interface Admitting {
  type: 'admitting';
}

/** What is wanted now: the state, or a session of the inspector from here on, or its end. */
export interface Ask {
  type: 'ask';
}
export interface CdpOpen {
  type: 'cdp-open';
}
export interface CdpClose {
  type: 'cdp-close';
}

export type GuardianMessage =
  | GuardianHello
  | MemoryMessage
  | Draining
  | Admitting
  | Ask
  | CdpOpen
  | CdpClose
  | Cdp;

/** Whether a value is what a field holds, and what that is. */
type Check = readonly [holds: (value: unknown) => boolean, what: string];
/** Each field of each message: one that is left out does not compile. */
type Shapes<M extends { type: string }> = {
  readonly [T in M['type']]: Readonly<Record<Exclude<keyof Extract<M, { type: T }>, 'type'>, Check>>;
};

const isNumber = (value: unknown): value is number => Number.isFinite(value);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
const isAmount = (value: unknown) => isNumber(value) && value >= 0;

const NUMBER: Check = [isNumber, 'a number'];
const COUNT: Check = [isCount, 'a count'];
const AMOUNT: Check = [isAmount, 'an amount'];
const FLAG: Check = [(value) => typeof value === 'boolean', 'true or false'];
const TEXT: Check = [(value) => typeof value === 'string' && value.length <= 1000, 'a short text'];
const PID: Check = [(value) => isCount(value) && Number(value) > 0, 'a pid'];
const isHeap = (value: unknown) =>
  isObject(value) && isAmount(value['usedBytes']) && isAmount(value['limitBytes']);
const isLeft = (value: unknown) =>
  value === undefined || (isObject(value) && isAmount(value['bytes']) && isAmount(value['agoMs']));
const isToldHeap = (value: unknown) => isHeap(value) && isLeft((value as { left?: unknown }).left);
const CDP: Check = [
  (value) => isObject(value) && (isCount(value['id']) || typeof value['method'] === 'string'),
  'a message of the inspector',
];

const FROM_HOOK: Shapes<HookMessage> = {
  hello: {
    version: COUNT,
    pid: PID,
    start: [(value) => value === null || isCount(value), 'a start time'],
    node: TEXT,
  },
  state: {
    inFlight: COUNT,
    waiting: COUNT,
    waitMs: AMOUNT,
    endsInMs: AMOUNT,
    refused: COUNT,
    sigterm: FLAG,
    lateMs: AMOUNT,
    servers: COUNT,
    admittedPerSecond: AMOUNT,
    heap: [isToldHeap, 'a heap'],
  },
  cdp: { message: CDP },
};

const FROM_GUARDIAN: Shapes<GuardianMessage> = {
  hello: {
    version: COUNT,
    gate: [(value) => value === 'auto' || value === 'off', 'auto or off'],
    exempt: [(value) => Array.isArray(value) && value.every(TEXT[0]), 'a list of paths'],
  },
  memory: {
    atMs: AMOUNT,
    usedBytes: AMOUNT,
    limitBytes: AMOUNT,
    ratio: AMOUNT,
    level: [(value) => LEVELS.some((level) => level === value), `one of ${LEVELS.join(', ')}`],
    stuck: FLAG,
    shedRatio: AMOUNT,
    criticalRatio: AMOUNT,
    growthPerSecond: NUMBER,
    secondsToLimit: [(value) => value === null || isAmount(value), 'seconds or null'],
    heap: [(value) => value === null || isHeap(value), 'a heap or null'],
  },
  draining: { reason: TEXT, retryAfterSeconds: AMOUNT },
  admitting: {},
  ask: {},
  'cdp-open': {},
  'cdp-close': {},
  cdp: { message: CDP },
};

/**
 * One line from a hook; `undefined` for a type that is not known here.
 * @throws SpillwayError `malformed`
 */
export function parseHookMessage(line: string): HookMessage | undefined {
  return parse<HookMessage>(line, FROM_HOOK);
}

/**
 * One line from a guardian; `undefined` for a type that is not known here.
 * @throws SpillwayError `malformed`
 */
export function parseGuardianMessage(line: string): GuardianMessage | undefined {
  return parse<GuardianMessage>(line, FROM_GUARDIAN);
}

/** One message as it is sent. */
export function renderMessage(message: HookMessage | GuardianMessage): string {
  return `${JSON.stringify(message)}\n`;
}

function parse<M extends { type: string }>(line: string, shapes: Shapes<M>): M | undefined {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch (cause) {
    throw new SpillwayError('malformed', `a hook message is not JSON: ${messageOf(cause)}`, { cause });
  }
  const type = isObject(message) ? message['type'] : undefined;
  if (!isObject(message) || typeof type !== 'string')
    throw new SpillwayError('malformed', 'a hook message has no type');
  if (!Object.hasOwn(shapes, type)) return undefined;
  for (const [field, [holds, what]] of Object.entries<Check>(shapes[type as M['type']]))
    if (!holds(message[field]))
      throw new SpillwayError('malformed', `hook message ${type}: ${field} is not ${what}`);
  return message as unknown as M;
}
