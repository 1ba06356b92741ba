import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { quietly } from './quiet.ts';

const MAPPED_IPV4 = /^::ffff:/;

/** The connections that this process itself has opened over TCP, by their own address. */
export class OwnSockets {
  readonly #addresses = new Set<string>();

  /** Follows those that are opened from here on. */
  watch(): void {
    subscribe('net.client.socket', (message) =>
      quietly(() => this.#add((message as { socket: Socket }).socket)),
    );
  }

  /** Whether the other end of an accepted connection is in this process. */
  isOther(accepted: Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress'> | undefined): boolean {
    if (this.#addresses.size === 0 || accepted?.remoteAddress === undefined) return false;
    return this.#addresses.has(addressOf(accepted.remoteAddress, accepted.remotePort));
  }

  #add(socket: Socket): void {
    let address = '';
    socket.once('connect', () =>
      quietly(() => {
        if (socket.localAddress === undefined) return; // no TCP
        address = addressOf(socket.localAddress, socket.localPort);
        this.#addresses.add(address);
      }),
    );
    socket.once('close', () => this.#addresses.delete(address));
  }
}

function addressOf(address: string, port: number | undefined): string {
  return `${address.replace(MAPPED_IPV4, '')} ${port}`;
}
