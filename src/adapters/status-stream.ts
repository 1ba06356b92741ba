import type { ServerResponse } from 'node:http';

/** A message to those who follow the stream: a change of level, a reading, or advice for the agent. */
export interface StreamMessage {
  event: 'status' | 'reading' | 'advice';
  data: object;
}

/** A client that lets this much pile up, in bytes, does not read and is dropped. */
export const MAX_PENDING_BYTES = 64 * 1024;
const BEAT_MS = 1000;
// Writing to one client takes 10–20 µs: a slice stays near 1 ms, and a sample that is due gets its turn in between.
const CLIENTS_PER_TURN = 64;

/**
 * Server-sent events to many clients: every message is serialised once and the same bytes go to all.
 * One timer beats while there are clients; without any, nothing runs and the source is not subscribed to.
 */
export class StatusStream {
  readonly #clients = new Set<ServerResponse>();
  readonly #subscribe: (listener: (message: StreamMessage) => void) => () => void;
  readonly #queue: Buffer[] = [];
  #latestReading: object | undefined;
  #stop: (() => void) | undefined;
  #sending = false;
  #dropped = 0;

  constructor(subscribe: (listener: (message: StreamMessage) => void) => () => void) {
    this.#subscribe = subscribe;
  }

  /** Clients connected now. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Clients dropped so far because they did not read. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes a response over and starts it with the status as it stands. */
  open(response: ServerResponse, status: object): void {
    response.socket?.setTimeout(0);
    // Without chunks, ended by the end of the connection: then one shared buffer goes out as it is, in one system call.
    response.removeHeader('Transfer-Encoding');
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
      Connection: 'close',
    });
    response.write(`retry: 1000\n\n${frame('status', status)}`);
    response.once('close', () => this.#leave(response));
    response.once('error', () => response.destroy());
    this.#clients.add(response);
    this.#stop ??= this.#start();
  }

  /** Ends all streams now. */
  close(): void {
    for (const client of this.#clients) client.end();
    this.#clients.clear();
    this.#rest();
  }

  #start(): () => void {
    const unsubscribe = this.#subscribe((message) => {
      if (message.event === 'reading') this.#latestReading = message.data;
      else {
        // A reading that waits for its beat is older than this: sent after it, it would contradict it.
        this.#latestReading = undefined;
        this.#send(frame(message.event, message.data));
      }
    });
    const timer = setInterval(() => {
      // The comment keeps proxies from cutting a stream that has no readings to tell.
      this.#send(this.#latestReading ? frame('reading', this.#latestReading) : ': no reading\n\n');
      this.#latestReading = undefined;
    }, BEAT_MS).unref();
    return () => {
      clearInterval(timer);
      unsubscribe();
    };
  }

  #rest(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#latestReading = undefined;
  }

  #leave(client: ServerResponse): void {
    if (this.#clients.delete(client) && this.#clients.size === 0) this.#rest();
  }

  #send(text: string): void {
    this.#queue.push(Buffer.from(text));
    if (this.#sending) return;
    this.#sending = true;
    this.#sendNext();
  }

  /** Sends the queue's first message to all, a slice of the clients at a time, then goes on with the next message. */
  #sendNext(clients = this.#clients.values()): void {
    const message = this.#queue[0];
    if (message === undefined) {
      this.#sending = false;
      return;
    }
    for (let i = 0; i < CLIENTS_PER_TURN; i++) {
      const { value: client, done } = clients.next();
      if (done) {
        this.#queue.shift();
        setImmediate(() => this.#sendNext());
        return;
      }
      if (client.writableLength <= MAX_PENDING_BYTES) client.write(message);
      else {
        this.#dropped++;
        client.destroy();
      }
    }
    setImmediate(() => this.#sendNext(clients));
  }
}

function frame(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
