import type { Server } from 'node:http';
import { type Address, formatAddress } from '../core/lib/address.ts';
import { errnoOf, SpillwayError } from '../core/lib/errors.ts';

/**
 * Connections that wait to be accepted. Beyond it the kernel drops what comes, and who is dropped asks again after a second:
 * too late for a probe. A burst of connections fits, and its connections are distinguished once accepted. The kernel's own bound is `somaxconn`.
 */
const BACKLOG = 4096;

/**
 * Binds a server; port 0 takes a free one. `::` is every address of this host: IPv6 and IPv4, and IPv4 alone where the kernel
 * has no IPv6.
 * @param flag the option that says where, for the hint: `--listen`
 * @param example an address for it
 * @returns the address it is bound to
 * @throws SpillwayError `listen`
 */
export function listenOn(server: Server, address: Address, flag: string, example: string): Promise<Address> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => reject(listenError(address, cause, flag, example));
    server.once('error', onError);
    // Node falls back to 0.0.0.0 by itself, but only without a host; libuv opens the socket to IPv4, too, whatever bindv6only says
    const host = address.host === '::' ? undefined : address.host;
    server.listen({ port: address.port, host, backlog: BACKLOG }, () => {
      server.off('error', onError);
      const bound = server.address();
      resolve(
        bound !== null && typeof bound === 'object' ? { host: bound.address, port: bound.port } : address,
      );
    });
  });
}

function listenError(address: Address, cause: Error, flag: string, example: string): SpillwayError {
  const where = formatAddress(address);
  switch (errnoOf(cause)) {
    case 'EADDRINUSE':
      return new SpillwayError('listen', `cannot listen on ${where}: the port is in use`, {
        hint: `stop the other process, or choose another port with ${flag}`,
        cause,
      });
    case 'EACCES':
      return new SpillwayError('listen', `cannot listen on ${where}: not permitted`, {
        hint: `choose a port of 1024 or above with ${flag}`,
        cause,
      });
    default:
      return new SpillwayError('listen', `cannot listen on ${where}: ${cause.message}`, {
        hint: `set ${flag} to an address of this host, for example ${example}`,
        cause,
      });
  }
}
