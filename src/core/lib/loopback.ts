/** Whether a name or an address, without brackets and port, is of this host alone. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  const bare = name.startsWith('::ffff:') ? name.slice(7) : name;
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare);
}

/** `http://…` by which a program of this host reaches a server that is bound to an address; every address includes 127.0.0.1. */
export function localUrl({ host, port }: { host: string; port: number }): string {
  if (host === '0.0.0.0' || host === '::') return `http://127.0.0.1:${port}`;
  return host.includes(':') ? `http://[${host}]:${port}` : `http://${host}:${port}`;
}
