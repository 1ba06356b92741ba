const KEY = Symbol.for('spillway.gated-servers');

/** A gate before servers: whether it goes by memory, and so answers for their requests. */
export interface ServerGate {
  answers: boolean;
}

type Gated = WeakMap<object, ServerGate>;

/** Shared by the hook and every copy of the library in the process. */
function gated(): Gated {
  const shared = globalThis as { [KEY]?: Gated };
  const known = shared[KEY];
  if (known) return known;
  const made: Gated = new WeakMap();
  Object.defineProperty(shared, KEY, { value: made });
  return made;
}

/** The hook's gate is before this server: while it answers, middleware lets the server's requests pass. */
export function markGated(server: object, gate: ServerGate): void {
  gated().set(server, gate);
}

/** @param request of `http`, or of the compatible layer of `http2` */
export function isGated(request: object): boolean {
  const { server } = (request as { socket?: { server?: object } }).socket ?? {};
  return server !== undefined && gated().get(server)?.answers === true;
}
