import { readFileSync } from 'node:fs';
import type { Address } from '../../config/types.ts';
import { isLoopback } from '../../core/loopback.ts';
import { parseListening } from '../../core/socket-table.ts';

/**
 * Whether somebody listens at an address, by the kernel's own table: to bind it for a look could keep a guardian that
 * starts at this moment from it. False where there is no such table.
 */
export function isTaken({ host, port }: Address): boolean {
  if (port === 0) return false;
  return ['tcp', 'tcp6']
    .flatMap((table) => parseListening(textOf(`/proc/self/net/${table}`)))
    .some((socket) => socket.port === port && overlap(socket.address, host));
}

function overlap(address: string, host: string): boolean {
  return address === host || isAny(address) || isAny(host) || (host === 'localhost' && isLoopback(address));
}

function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return ''; // not Linux, or a kernel without IPv6
  }
}
