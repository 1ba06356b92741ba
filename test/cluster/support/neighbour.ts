import { call, create, pathOf } from './api.ts';
import { PATIENCE } from './environment.ts';
import { container, podSpec } from './workload.ts';

/** A pod beside that opens connections (`programs/crowd.mjs`); resolves once all of them were open, or as many as it gets. */
export async function startCrowd(namespace: string, name: string, args: (string | number)[]): Promise<void> {
  const crowd = container('crowd', ['node', '/programs/crowd.mjs', ...args.map(String)]);
  const labels = { 'spillway.dev/inject': 'false' };
  await create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: podSpec([crowd]),
  });
  const end = Date.now() + 60_000 * PATIENCE;
  for (;;) {
    const { text } = await call('GET', `${pathOf('Pod', namespace, name)}/log?container=crowd`);
    // where each new one is cut off, it never has all at a time
    if (/^there|(?:not there yet.*\n){5}/m.test(text)) return;
    if (Date.now() > end) throw new Error(`${name} opened nothing: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
