/** Whether a name or an address, without brackets and port, is of this host alone. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  const bare = name.startsWith('::ffff:') ? name.slice(7) : name;
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare);
}
