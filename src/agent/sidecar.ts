import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import { type Backoff, waitAfter } from '../core/lib/backoff.ts';
import { LEVELS, type Level } from '../core/model/status.ts';
import { ADVICE, type AdviceAction } from '../core/pressure/advice.ts';
import { atLeast } from '../core/pressure/level.ts';
import type { PressureState } from './pressure.ts';
import { SseParser } from './sse.ts';

/** What is heard from a sidecar. */
export interface SidecarListeners {
  /** Its last word; `undefined` when it is gone, or cannot read anything itself. */
  state(state: PressureState | undefined): void;
  advice(action: AdviceAction): void;
}

/** Between attempts; the real wait is drawn from the upper half, so that agents do not come all at once. */
const RETRY_MS: Backoff = { first: 500, longest: 15_000 };
/**
 * A sidecar speaks once a second; this many ticks without a word, and it hangs. Ticks and not time: while the agent's own
 * event loop is blocked, neither ticks pass nor words arrive.
 */
const SILENT_TICKS = 20;

/** Follows `/v1/stream` of one sidecar, again and again after it has gone. Neither socket nor wait keeps the process alive. */
export class Sidecar {
  readonly #url: URL;
  readonly #ears: SidecarListeners;
  #request: ClientRequest | undefined;
  #silentTicks = 0;
  #failures = 0;
  #retryAtMs = Number.NEGATIVE_INFINITY;

  /** @param url of the stream itself */
  constructor(url: URL, ears: SidecarListeners) {
    this.#url = url;
    this.#ears = ears;
  }

  /** To be called some times a second: connects when it is time to, and gives up a connection that has gone silent. */
  tick(nowMs: number): void {
    if (!this.#request) {
      if (nowMs >= this.#retryAtMs) this.#connect();
    } else if (++this.#silentTicks > SILENT_TICKS) this.#request.destroy();
  }

  /** Leaves the stream until the next tick, without a word. */
  pause(): void {
    const request = this.#request;
    this.#request = undefined;
    request?.destroy();
  }

  close(): void {
    this.#retryAtMs = Number.POSITIVE_INFINITY;
    this.pause();
  }

  #connect(): void {
    this.#silentTicks = 0;
    let request: ClientRequest;
    try {
      // an agent of its own: no connection limit of the program's is used up, nothing is kept for reuse
      request = get(this.#url, { agent: false, headers: { accept: 'text/event-stream' } });
    } catch {
      this.#wait(); // the program may not use the network, or has put something else in place of `get`
      return;
    }
    this.#request = request;
    request.on('socket', (socket) => socket.unref());
    request.on('response', (response) => this.#listen(request, response));
    request.on('error', () => {}); // 'close' follows, and says all there is to know
    request.once('close', () => this.#ended(request));
  }

  #listen(request: ClientRequest, response: IncomingMessage): void {
    if (response.statusCode !== 200) return void request.destroy();
    const parser = new SseParser();
    response.setEncoding('utf8');
    response.on('error', () => {}); // as above
    response.on('data', (text: string) => {
      if (request !== this.#request) return;
      this.#silentTicks = 0;
      try {
        for (const { event, data } of parser.push(text)) this.#hear(event, data);
      } catch {
        request.destroy(); // not a stream of ours; what serves there may be replaced, so it is tried again later
      }
    });
  }

  #hear(event: string, data: string): void {
    const message = parseObject(data);
    if (message === undefined) return; // cut or garbled: the next one is a second away
    if (event === 'advice') {
      if (isAction(message['action'])) this.#ears.advice(message['action']);
      return;
    }
    if (event !== 'status' && event !== 'reading') return;
    const { level, ratio, ready, secondsToLimit } = message;
    if (!isLevel(level)) return;
    this.#failures = 0;
    this.#ears.state(
      isAmount(ratio)
        ? {
            level,
            ratio,
            secondsToLimit: isAmount(secondsToLimit) ? secondsToLimit : null,
            stuck: ready === true && atLeast(level, 'shedding'),
          }
        : undefined,
    );
  }

  #ended(request: ClientRequest): void {
    if (request !== this.#request) return;
    this.#request = undefined;
    this.#wait();
    this.#ears.state(undefined);
  }

  #wait(): void {
    const waitMs = waitAfter(RETRY_MS, ++this.#failures);
    this.#retryAtMs = performance.now() + waitMs * (0.5 + Math.random() / 2);
  }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const isLevel = (value: unknown): value is Level => LEVELS.some((level) => level === value);
const isAction = (value: unknown): value is AdviceAction =>
  Object.values(ADVICE).some((action) => action === value);
const isAmount = (value: unknown): value is number => typeof value === 'number' && value >= 0;
