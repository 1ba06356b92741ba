import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ConnectionShares, type ShareBounds } from '../core/lib/connection-shares.ts';

/**
 * Requests that a client may send before it has the answers; proxies and probes send one. A chunk off the network holds 1,600,
 * and the parser makes all of them before it is anybody else's turn: it gets a chunk in pieces, and no more of it than that.
 */
const MAX_UNANSWERED = 8;
const PIECE_BYTES = 1024;

/** Connections of programs of this pod or host, and of everybody else: neither can take the places of the other. */
export interface ConnectionBounds {
  own: ShareBounds;
  others: ShareBounds;
}

/** A bound for an address of this pod or host, and for one of others. */
export interface Most {
  own: number;
  others: number;
}

/**
 * Bounds a server's connections for each address they come from, and closes what has waited longest where they are too many,
 * instead of what comes: a probe comes from an address that holds next to nothing. What came together is distinguished two turns
 * of the loop later: by then a whole request has been read, and its connection no longer waits.
 */
export class Connections {
  readonly #own: ConnectionShares;
  readonly #others: ConnectionShares;
  readonly #open = new Map<string, { socket: Socket; unanswered: number }>();
  #settling = false;

  /** @param server of `node:http` or `node:https`: the connection beneath TLS is what counts */
  constructor(server: Server, { own, others }: ConnectionBounds) {
    this.#own = new ConnectionShares(own);
    this.#others = new ConnectionShares(others);
    // before the server's own: a parser costs more than all the rest
    const [accept] = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (this.#add(socket)) accept?.call(server, socket);
      else socket.destroy();
    });
    // by its method, not its class: loading `node:tls` costs 0.3 MiB for the roots of trust, which the guardian has no use for
    server.on('setSecureContext' in server ? 'secureConnection' : 'connection', inPieces);
  }

  /**
   * A whole request has come: until it is answered, others of the same address are closed first.
   * @returns false when its client does not wait for answers: then it is not to be answered, the connection is closed
   */
  answering({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const id = idOf(socket);
    const shares = this.#sharesOf(socket);
    const open = this.#open.get(id);
    if (open && ++open.unanswered > MAX_UNANSWERED) {
      open.socket.destroy();
      return false;
    }
    shares.turn(id, 'answering', performance.now());
    response.once('close', () => {
      if (open) open.unanswered--;
      shares.turn(id, 'waiting', performance.now());
    });
    return true;
  }

  /** Whether the address of a request has more than so many answers under way, or its connection any other. */
  crowds({ socket }: IncomingMessage, most: Most): boolean {
    const id = idOf(socket);
    const shares = this.#sharesOf(socket);
    return this.#pipelined(id) || shares.count(id, 'answering') > this.#of(shares, most);
  }

  /**
   * The answer to a request goes on without an end.
   * @returns false when its address has as many of those as it may
   */
  streaming({ socket }: IncomingMessage, most: Most): boolean {
    const id = idOf(socket);
    const shares = this.#sharesOf(socket);
    if (this.#pipelined(id) || shares.count(id, 'streaming') >= this.#of(shares, most)) return false;
    shares.turn(id, 'streaming', performance.now());
    return true;
  }

  #add(socket: Socket): boolean {
    const id = idOf(socket);
    const shares = this.#sharesOf(socket);
    if (!shares.add(id, peerOf(socket), performance.now())) return false;
    this.#open.set(id, { socket, unanswered: 0 });
    socket.once('close', () => {
      this.#open.delete(id);
      shares.delete(id);
    });
    if (!this.#settling) setImmediate(() => setImmediate(() => this.#settle()));
    this.#settling = true;
    return true;
  }

  #settle(): void {
    this.#settling = false;
    for (const shares of [this.#own, this.#others])
      for (let id = shares.surplus(); id !== undefined; id = shares.surplus())
        this.#open.get(id)?.socket.destroy();
  }

  /** Such an answer may never begin, and a response that never began tells nobody of its end. */
  #pipelined(id: string): boolean {
    return (this.#open.get(id)?.unanswered ?? 0) > 1;
  }

  #of(shares: ConnectionShares, { own, others }: Most): number {
    return shares === this.#own ? own : others;
  }

  #sharesOf(socket: Socket): ConnectionShares {
    return OWN.has(peerOf(socket)) ? this.#own : this.#others;
  }
}

/** What arrives goes to its listener in pieces, until that has ended the connection; larger ones while all goes well, for bodies. */
function inPieces(socket: Socket): void {
  const [parse] = socket.listeners('data');
  if (!parse) return;
  socket.removeAllListeners('data');
  socket.on('data', (chunk: Buffer) => {
    let bytes = PIECE_BYTES;
    for (let at = 0; at < chunk.length && !socket.destroyed && !socket.writableEnded; bytes *= 2) {
      parse.call(socket, chunk.subarray(at, at + bytes));
      at += bytes;
    }
  });
}

/** Not all of 127.0.0.0/8: a mesh's proxy brings what strangers ask from an address of its own (Istio: 127.0.0.6). */
const OWN: ReadonlySet<string> = new Set(['127.0.0.1', '::1']);

/** An IPv4 client of a socket that serves both looks like `::ffff:10.0.0.1`. */
function peerOf({ remoteAddress = '' }: Socket): string {
  return remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress;
}

/** Also of the TLS connection above a socket, which is another object with the same ends. */
function idOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
