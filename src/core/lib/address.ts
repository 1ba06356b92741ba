export interface Address {
  /** A name or an address; an IPv6 one without brackets. */
  host: string;
  port: number;
}

/** `host:port`, an IPv6 host in brackets. */
export function formatAddress({ host, port }: Readonly<Address>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Whether a name or an address, without brackets and port, is of this host alone. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  const bare = name.startsWith('::ffff:') ? name.slice(7) : name;
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare);
}

/** `http://…` by which a program of this host reaches a server that is bound to an address; every address includes 127.0.0.1. */
export function localUrl({ host, port }: Readonly<Address>): string {
  const reached = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${formatAddress({ host: reached, port })}`;
}
