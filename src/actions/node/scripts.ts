/**
 * What is evaluated in the agent. Each text is one expression, leaves nothing behind but what it says, and takes Node's own
 * modules by `process.getBuiltinModule` (Node 20.16, 22.3), or by the `require` of the inspector's command line before.
 */

const MODULE = `const get = (name) => process.getBuiltinModule ? process.getBuiltinModule(name) : require(name);`;
/**
 * V8 keeps what was logged while an inspector was open, with the objects (the last 1,000 messages: 80 of 80 MB in a test, on
 * after it was closed). What was opened by the guardian must not become a leak: they are dropped.
 */
const FORGET = `const forget = () => {
    const session = new (get('inspector').Session)();
    session.connect();
    session.post('Runtime.discardConsoleEntries');
    session.disconnect();
  };`;
/** Under this key, not enumerable, hangs the dead man's switch while the inspector is open because of the guardian. */
const SWITCH = `Symbol.for('spillway.inspector')`;

/** Who answers, and whether a guardian has opened the inspector. */
export interface Greeting {
  pid: number | undefined;
  /** Without it the command line's `require` is needed. */
  builtin: boolean;
  armed: boolean;
}
/** `process` is not there yet in an agent that waits for its debugger at the start (`--inspect-brk`). */
export const GREETING = `({
  pid: typeof process === 'object' ? process.pid : undefined,
  builtin: typeof process === 'object' && typeof process.getBuiltinModule === 'function',
  armed: globalThis[${SWITCH}] !== undefined,
})`;

/**
 * Arms or renews the dead man's switch: an inspector that the guardian has opened closes itself when nobody has renewed it
 * for `limitMs`, unless another client is connected then; it is looked at again as long as it is open. The timer keeps
 * no agent alive. Two ticks without a renewal count: after a long block the timer comes before the messages that waited.
 * @param own local ports of the guardian's connections, which are no other client
 * @param others how many other clients are connected: while there are any, logged objects are theirs to see
 */
export const armSwitch = (pid: number, limitMs: number, own: readonly number[], others: number) => `(() => {
  ${MODULE}
  ${FORGET}
  if (process.pid !== ${pid}) return;
  const key = ${SWITCH};
  let held = globalThis[key];
  if (held === undefined) {
    const inspector = get('inspector'), fs = get('fs'), timers = get('timers');
    held = { renewed: true, own: [], stop() { timers.clearInterval(held.timer); delete globalThis[key]; } };
    const others = () => {
      const port = Number(new URL(inspector.url()).port);
      return ['tcp', 'tcp6'].some((name) => {
        try {
          return fs.readFileSync('/proc/self/net/' + name, 'latin1').split('\\n').some((row) => {
            const [, local = '', remote = '', state] = row.trim().split(/\\s+/);
            return state === '01' && parseInt(local.split(':')[1], 16) === port
              && !held.own.includes(parseInt(remote.split(':')[1], 16));
          });
        } catch {
          return false;
        }
      });
    };
    held.timer = timers.setInterval(() => {
      if (held.renewed) { held.renewed = false; return; }
      if (inspector.url() === undefined) return held.stop();
      if (others()) return;
      held.stop();
      forget();
      inspector.close();
    }, ${Math.ceil(limitMs / 2)});
    held.timer.unref();
    Object.defineProperty(globalThis, key, { value: held, configurable: true });
  }
  held.renewed = true;
  held.own = ${JSON.stringify(own)};
  if (${others} === 0) forget();
})()`;

/** Closes the inspector; the answer may be the end of the connection. Only in the process that is meant. */
export const closeInspector = (pid: number) => `(() => {
  ${MODULE}
  ${FORGET}
  if (process.pid !== ${pid}) return;
  globalThis[${SWITCH}]?.stop();
  forget();
  get('inspector').close();
})()`;

/** True once the event loop has turned. */
export const TURN = `(() => {
  ${MODULE}
  return new Promise((resolve) => get('timers').setImmediate(resolve, true));
})()`;

/** One isolate's heap in bytes, and the moment in milliseconds. */
export interface IsolateFacts {
  used: number;
  committed: number;
  /** Without the young generation: what the limit is about. */
  old: number;
  /** Of the old generation. */
  limit: number | null;
  external: number;
  atMs: number;
}
/**
 * V8 aborts when the old generation is full, and tells a limit with room for the young one in it: 3 to 192 MiB above what was
 * set (64 MiB: 76 on Node 26, 256 on Node 24, by the memory of the machine). By default the old generation is half of the
 * container's memory, 256 MiB at least (Node 20 to 26); where neither explains what V8 tells, that stands.
 */
const FACTS_OF = `const facts = () => {
    const { heapUsed, heapTotal, external } = process.memoryUsage();
    const v8 = get('v8');
    const told = v8.getHeapStatistics().heap_size_limit;
    const options = [process.env.NODE_OPTIONS, ...process.execArgv].join(' ');
    const set = [...options.matchAll(/--max[-_]old[-_]space[-_]size[= ](\\d+)/g)].pop();
    const old = set ? Number(set[1]) * 2 ** 20 : Math.max(2 ** 28, (process.constrainedMemory?.() ?? 0) / 2);
    const limit = told > old && told <= old + 192 * 2 ** 20 ? old : told;
    const young = v8.getHeapSpaceStatistics().filter((space) => space.space_name.startsWith('new_'));
    const youngUsed = young.reduce((sum, space) => sum + space.space_used_size, 0);
    return { used: heapUsed, committed: heapTotal, old: Math.max(0, heapUsed - youngUsed), limit, external, atMs: Number(process.hrtime.bigint()) / 1e6 };
  };`;
export const FACTS = `(() => {
  ${MODULE}
  ${FACTS_OF}
  return facts();
})()`;

/** What one isolate looked like before and after a collection by itself. */
export interface QuickResult {
  before: IsolateFacts;
  after: IsolateFacts;
}
/**
 * A full collection by `gc()`, the agent's own or one from a context made for it with the flag set for that moment. Bare:
 * on Node 20 the forms with options collected nothing.
 */
export const QUICK_GC = `(() => {
  ${MODULE}
  ${FACTS_OF}
  const before = facts();
  let gc = globalThis.gc;
  if (typeof gc !== 'function') {
    const v8 = get('v8');
    v8.setFlagsFromString('--expose-gc');
    try { gc = get('vm').runInNewContext('gc'); } finally { v8.setFlagsFromString('--no-expose-gc'); }
  }
  gc();
  return { before, after: facts() };
})()`;

/**
 * Responses of the agent's HTTP servers that are not finished; `null` where that is not the whole of its work: clients
 * that speak something else (HTTP/2, WebSocket, a protocol of its own), or forked processes that serve too.
 */
export const IN_FLIGHT = `(() => {
  try {
    let count = 0;
    for (const handle of process._getActiveHandles()) {
      if (handle.constructor?.name === 'ChildProcess' && handle.connected) return null;
      if (!handle.server) continue;
      if (!handle.parser) return null;
      if (handle._httpMessage?.req && !handle._httpMessage.writableFinished) count++;
    }
    return count;
  } catch {
    return null;
  }
})()`;

/**
 * Whether the program has a handler of its own for SIGTERM. `SigCgt` does not tell: Node catches SIGTERM in every program,
 * to put the terminal right before it dies.
 */
export const CATCHES_SIGTERM = `process.listenerCount('SIGTERM') > 0`;
