import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import { quietly } from './quiet.ts';

const MAPPED_IPV4 = /^::ffff:/;

/** The connections that this process itself has opened over TCP, by their own address. */
export class OwnSockets {
  readonly #addresses = new Set<string>();
  readonly #known = new WeakSet<Socket>();

  /** Follows those that are opened from here on; where HTTP goes over them also those of TLS, and those that were open before. */
  watch(): void {
    const follow = (channel: string, socketOf: (message: never) => Socket | null | undefined) =>
      subscribe(channel, (message) => quietly(() => this.#add(socketOf(message as never))));
    follow('net.client.socket', ({ socket }: { socket: Socket }) => socket);
    follow('http.client.request.start', ({ request }: { request: ClientRequest }) => request.socket);
    follow('undici:client:sendHeaders', ({ socket }: { socket: Socket }) => socket);
  }

  /** Whether the other end of an accepted connection is in this process. */
  isOther(accepted: Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress'> | undefined): boolean {
    if (this.#addresses.size === 0 || accepted?.remoteAddress === undefined) return false;
    return this.#addresses.has(addressOf(accepted.remoteAddress, accepted.remotePort));
  }

  #add(socket: Socket | null | undefined): void {
    if (!socket || this.#known.has(socket)) return;
    this.#known.add(socket);
    let address = '';
    const connected = () => {
      if (socket.localAddress === undefined) return; // not connected yet, or no TCP
      address = addressOf(socket.localAddress, socket.localPort);
      this.#addresses.add(address);
    };
    connected();
    if (address === '') socket.once('connect', () => quietly(connected));
    socket.once('close', () => this.#addresses.delete(address));
  }
}

function addressOf(address: string, port: number | undefined): string {
  return `${address.replace(MAPPED_IPV4, '')} ${port}`;
}
