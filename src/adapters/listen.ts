import type { Server } from 'node:http';
import { errnoOf, SpillwayError } from '../core/errors.ts';

interface Address {
  host: string;
  port: number;
}

/**
 * Binds a server; port 0 takes a free one.
 * @param flag the option that says where, for the mend: `--listen`
 * @param example an address for it
 * @returns the address it is bound to
 * @throws SpillwayError `listen`
 */
export function listenOn(server: Server, address: Address, flag: string, example: string): Promise<Address> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => reject(listenError(address, cause, flag, example));
    server.once('error', onError);
    server.listen(address.port, address.host, () => {
      server.off('error', onError);
      const bound = server.address();
      resolve(
        bound !== null && typeof bound === 'object' ? { host: bound.address, port: bound.port } : address,
      );
    });
  });
}

function listenError({ host, port }: Address, cause: Error, flag: string, example: string): SpillwayError {
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  switch (errnoOf(cause)) {
    case 'EADDRINUSE':
      return new SpillwayError('listen', `cannot listen on ${where}: another process does`, {
        mend: `end that process, or choose another port with ${flag}`,
        cause,
      });
    case 'EACCES':
      return new SpillwayError('listen', `cannot listen on ${where}: not permitted`, {
        mend: `choose a port from 1024 up with ${flag}`,
        cause,
      });
    default:
      return new SpillwayError('listen', `cannot listen on ${where}: ${cause.message}`, {
        mend: `give an address of this host with ${flag}, for example ${example}`,
        cause,
      });
  }
}
