import { type Address, isLoopback } from '../../core/lib/address.ts';
import { listeningIn } from '../../sources/tcp-tables.ts';

/**
 * Whether somebody listens at an address, by the kernel's own table: to bind it for a look could keep a guardian that
 * starts at this moment from it. False where there is no such table.
 */
export async function isTaken({ host, port }: Address): Promise<boolean> {
  if (port === 0) return false;
  return (await listeningIn('/proc/self/net')).some(
    (socket) => socket.port === port && overlap(socket.address, host),
  );
}

function overlap(address: string, host: string): boolean {
  return address === host || isAny(address) || isAny(host) || (host === 'localhost' && isLoopback(address));
}

function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
