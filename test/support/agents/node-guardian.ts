import { connectInspector } from '../../../src/adapters/inspector-client.ts';
import { createNodeClient } from '../../../src/runtimes/node/client.ts';
import { createInspectorTarget } from '../../../src/sources/inspector/target.ts';

/** A guardian reduced to its hand in a Node agent, so that it can be killed. Bundled by its test. Arguments: PID SWITCH_MS. */
const [pid, switchMs] = process.argv.slice(2).map(Number);
const client = createNodeClient({
  target: createInspectorTarget({ procRoot: '/proc', pid: pid ?? 0 }),
  connect: connectInspector,
  signals: { refusal: () => undefined, sent: () => {}, answered: () => {} },
  timeouts: { switchMs: switchMs ?? 30_000 },
});
await client.facts();
console.log(`holds ${client.inspectorPort}`);
setInterval(() => {}, 1000);
