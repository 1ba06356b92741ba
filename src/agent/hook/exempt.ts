/** Paths that probes and scrapers ask by custom, where nobody names others. */
const CUSTOMARY = ['/health', '/healthz', '/livez', '/readyz', '/ready', '/live', '/ping', '/metrics'];
/** Its probes, and its requests after a container's start and before its end. */
const KUBELET = /^kube-(?:probe|lifecycle)\//;
/** Parts of a path that distinguish routes, and the longest one that may be a name. */
const MOST_PARTS = 3;
const LONGEST_NAME = 24;

/** Whether a request is somebody's look at the agent's health: never held back. */
export function isProbe(
  { method, path, agent }: { method: string; path: string; agent: string | undefined },
  exempt: readonly string[],
): boolean {
  if (agent !== undefined && KUBELET.test(agent)) return true;
  if (method !== 'GET' && method !== 'HEAD') return false;
  const plain = withoutQuery(path);
  return CUSTOMARY.includes(plain) || exempt.includes(plain);
}

const MOST_KNOWN = 256;
/** Longer ones are remembered by nobody: 256 of 16 KB would be 4 MB. */
const LONGEST_KNOWN = 256;
const known = new Map<string, string>();

/** Requests that cost alike: method and route, with what looks like an id or a number left out. */
export function kindOf(method: string, path: string): string {
  if (path.length > LONGEST_KNOWN) return routeOf(method, path);
  const text = `${method} ${path}`;
  const before = known.get(text);
  if (before !== undefined) return before;
  const kind = routeOf(method, path);
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(text, kind);
  return kind;
}

function routeOf(method: string, path: string): string {
  const parts = withoutQuery(path)
    .split('/', MOST_PARTS + 1)
    .map((part) => (part.length > LONGEST_NAME || /\d/.test(part) ? '*' : part));
  return `${method} ${parts.join('/')}`;
}

function withoutQuery(path: string): string {
  const end = path.indexOf('?');
  return end < 0 ? path : path.slice(0, end);
}
