/** Of a `Host` header: `[::1]:9798` → `::1`, `localhost:9798` → `localhost`. */
export function hostName(host: string): string {
  return host.startsWith('[') ? host.slice(1).replace(/\](:\d*)?$/, '') : host.replace(/:\d*$/, '');
}

/** Endings that nobody can register: of hosts' own names, of Services and of private networks. */
const PRIVATE = /\.(localhost|svc|local|internal)$/;

/** Whether a name, without port, is one that anybody on the internet may own, and let point to an address of this host. */
export function isPublicName(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  const literal = name.includes(':') || /^[\d.]*$/.test(name);
  return !literal && name.includes('.') && !PRIVATE.test(name);
}
