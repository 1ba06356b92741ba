const KEY = Symbol.for('spillway.gated-requests');

/** Shared by the hook and every copy of the library in the process. */
function gated(): WeakSet<object> {
  const shared = globalThis as { [KEY]?: WeakSet<object> };
  const known = shared[KEY];
  if (known) return known;
  const made = new WeakSet<object>();
  Object.defineProperty(shared, KEY, { value: made });
  return made;
}

/** The hook's gate answers for this request, or for this stream of HTTP/2: middleware lets it pass. */
export function markGated(request: object): void {
  gated().add(request);
}

/** @param request of `http`, or of the compatible layer of `http2` */
export function isGated(request: object): boolean {
  const { stream } = request as { stream?: object };
  return gated().has(request) || (stream !== undefined && gated().has(stream));
}
