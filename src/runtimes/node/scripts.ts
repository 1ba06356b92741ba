/**
 * What is evaluated in the agent. Each text is one expression, leaves nothing behind but what it says, and takes Node's own
 * modules by `process.getBuiltinModule` (Node 20.16, 22.3), or by the `require` of the inspector's command line before.
 */

const MODULE = `const get = (name) => process.getBuiltinModule ? process.getBuiltinModule(name) : require(name);`;
/**
 * V8 keeps what was logged while an inspector was open, with the objects (the last 1,000 messages: 80 of 80 MB in a test, on
 * after it was closed). What was opened by the guardian must not become a leak: they are dropped.
 */
const FORGET = `const { Session } = get('inspector'); // now: \`require\` is there only while this is evaluated
  const forget = () => {
    const session = new Session();
    session.connect();
    session.post('Runtime.discardConsoleEntries');
    session.disconnect();
  };`;
/**
 * Under this key, not enumerable, hangs the dead man's switch while the inspector is open because of the guardian: on the
 * global object, or on `process` where a lockdown has frozen that.
 */
const SWITCH = `Symbol.for('spillway.inspector')`;
const HELD = `(globalThis[${SWITCH}] ?? (typeof process === 'object' ? process[${SWITCH}] : undefined))`;

/** Who answers, and whether a guardian has opened the inspector. */
export interface Handshake {
  pid: number | undefined;
  /** Without it the command line's `require` is needed. */
  builtin: boolean;
  armed: boolean;
}
/** `process` is not there yet in an agent that waits for its debugger at the start (`--inspect-brk`). */
export const HANDSHAKE = `({
  pid: typeof process === 'object' ? process.pid : undefined,
  builtin: typeof process === 'object' && typeof process.getBuiltinModule === 'function',
  armed: ${HELD} !== undefined,
})`;

/** Logged objects are let go this often by the agent itself, as long as its loop turns: 0.1 ms each time. */
const FORGET_EVERY_MS = 250;

/**
 * Arms or renews the dead man's switch: an inspector that the guardian has opened closes itself when nobody has renewed it
 * for `limitMs`, unless another client is connected then; it is looked at again as long as it is open. The timer keeps
 * no agent alive. Being overdue counts twice in a row: after a long block the timer comes before the messages that waited.
 * The value is `false` where it cannot be armed.
 * @param own local ports of the guardian's connections, which are no other client
 * @param others how many other clients are connected: while there are any, logged objects are theirs to see
 */
export const armWatchdog = (pid: number, limitMs: number, own: readonly number[], others: number) => `(() => {
  ${MODULE}
  ${FORGET}
  if (process.pid !== ${pid}) return;
  const key = ${SWITCH};
  const now = () => Number(process.hrtime.bigint() / 1000000n);
  let held = ${HELD};
  if (held === undefined) {
    const place = [globalThis, process].find(Object.isExtensible);
    if (place === undefined) return false;
    const inspector = get('inspector'), fs = get('fs'), timers = get('timers');
    held = { stop() { timers.clearInterval(held.timer); delete place[key]; } };
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
    const tick = () => {
      if (inspector.url() === undefined) return held.stop();
      if (held.alone) forget();
      if (now() - held.renewedMs < ${limitMs}) return;
      if (!held.overdue) { held.overdue = true; return; }
      if (others()) return;
      held.stop();
      forget();
      inspector.close();
    };
    // an error here must not become one of the agent
    held.timer = timers.setInterval(() => { try { tick(); } catch { held.stop(); } }, ${Math.ceil(Math.min(FORGET_EVERY_MS, limitMs / 4))});
    held.timer.unref();
    Object.defineProperty(place, key, { value: held, configurable: true });
  }
  held.renewedMs = now();
  held.overdue = false;
  held.own = ${JSON.stringify(own)};
  held.alone = ${others === 0};
  if (held.alone) forget();
  return true;
})()`;

/** Closes the inspector; the answer may be the end of the connection. Only in the process that is meant. */
export const closeInspector = (pid: number) => `(() => {
  ${MODULE}
  ${FORGET}
  if (process.pid !== ${pid}) return;
  ${HELD}?.stop();
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
 * V8 aborts when the old generation is full, and tells a limit with room for the young one in it: three semi-spaces, 3 to 192
 * MiB by the memory of the container or machine (Node 20 to 26; 16 MiB each on Node 20 and 22, 32 on 26, 64 on 24 with
 * 24 GB), or of the size that `--max-semi-space-size` sets, rounded up to a power of two. The old generation is what flags set, the percentage before the
 * size; by default half of the container's memory, 256 MiB to 4 GiB. Where that does not explain what V8 tells, that stands.
 */
const FACTS_OF = `const facts = () => {
    const { heapUsed, heapTotal, external } = process.memoryUsage();
    const v8 = get('v8');
    const told = v8.getHeapStatistics().heap_size_limit;
    const options = [process.env.NODE_OPTIONS, ...process.execArgv].join(' ');
    const flag = (name) => {
      const found = [...options.matchAll(new RegExp('--' + name.replaceAll('-', '[-_]') + '[= ]([0-9.]+)', 'g'))].pop();
      return found && Number(found[1]);
    };
    const memory = Math.min(get('os').totalmem(), process.constrainedMemory?.() || Infinity);
    const percentage = flag('max-old-space-size-percentage'), size = flag('max-old-space-size');
    const old = percentage ? memory * percentage / 100 : size ? size * 2 ** 20 : Math.min(2 ** 32, Math.max(2 ** 28, memory / 2));
    const semi = flag('max-semi-space-size');
    const young = 3 * (semi ? 2 ** Math.ceil(Math.log2(semi)) : 64) * 2 ** 20;
    const limit = told > old - 2 ** 20 && told <= old + young + 2 ** 20 ? Math.min(told, old) : told;
    const youngUsed = v8.getHeapSpaceStatistics().filter((space) => space.space_name.startsWith('new_')).reduce((sum, space) => sum + space.space_used_size, 0);
    return { used: heapUsed, committed: heapTotal, old: Math.max(0, heapUsed - youngUsed), limit, external, atMs: Number(process.hrtime.bigint()) / 1e6 };
  };`;
export const FACTS = `(() => {
  ${MODULE}
  ${FACTS_OF}
  return facts();
})()`;

/** What one isolate looked like before and after a collection by itself. */
export interface FastResult {
  before: IsolateFacts;
  after: IsolateFacts;
}
/**
 * A full collection by `gc()`, the agent's own or one from a context made for it with the flag set for that moment. Bare:
 * on Node 20 the forms with options collected nothing.
 */
export const FAST_GC = `(() => {
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
