import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { EventsV1Event, V1ConfigMap, V1Pod } from '@kubernetes/client-node';
import type { TestContext } from 'vitest';
import { ask, call, create, pathOf, until } from './api.ts';

const LOG_LINES = 40;

/** What runs in pods: of a ConfigMap, so that any image with Node will do. */
const PROGRAMS = ['agent.mjs', 'crowd.mjs', 'job.mjs', 'load.mjs', 'limit-watch.mjs'];

/**
 * A namespace of a test's own, under the restricted Pod Security Standard unless told otherwise, with the programs in a
 * ConfigMap. When the test fails, what its pods said is shown; with the test it goes away.
 */
export async function makeNamespace(
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  security: 'restricted' | 'privileged' = 'restricted',
): Promise<string> {
  const name = `spillway-${randomBytes(4).toString('hex')}`;
  const labels = { 'pod-security.kubernetes.io/enforce': security };
  await create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') console.error(`${task.name}\n${await account(name)}`);
    await call('DELETE', pathOf('Namespace', undefined, name));
  });
  const texts = PROGRAMS.map((file) => readFile(new URL(`programs/${file}`, import.meta.url), 'utf8'));
  const data = Object.fromEntries((await Promise.all(texts)).map((text, i) => [PROGRAMS[i], text]));
  const programs: V1ConfigMap & { kind: string } = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'programs', namespace: name },
    data,
  };
  await create(programs);
  // no pod is admitted without it, and a slow cluster makes it seconds later
  await until('there is a service account', { path: pathOf('ServiceAccount', name) }, (accounts) =>
    accounts.some(({ metadata }) => metadata?.name === 'default'),
  );
  return name;
}

/** What the pods of a namespace are and said. */
async function account(namespace: string): Promise<string> {
  const lines: string[] = [];
  const { items: pods } = await ask<{ items: V1Pod[] }>('GET', pathOf('Pod', namespace));
  for (const { metadata, spec, status } of pods) {
    const conditions = status?.conditions?.map(
      ({ type, status, message = '' }) => `${type}=${status} ${message}`,
    );
    lines.push(`-- pod ${metadata?.name}: ${status?.phase}; ${conditions?.join('; ')}`);
    for (const { name, ready, restartCount, state, lastState } of [
      ...(status?.initContainerStatuses ?? []),
      ...(status?.containerStatuses ?? []),
    ])
      lines.push(
        `   ${name}: ready ${ready}, restarts ${restartCount}, ${JSON.stringify({ state, lastState })}`,
      );
    for (const { name } of [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]) {
      const path = `${pathOf('Pod', namespace, metadata?.name)}/log?container=${name}&tailLines=${LOG_LINES}`;
      lines.push(
        `-- log of ${metadata?.name}/${name}`,
        (await call('GET', path)).text.split('\n').map(brief).join('\n'),
      );
    }
  }
  const { items: events } = await ask<{ items: EventsV1Event[] }>('GET', pathOf('Event', namespace));
  for (const event of events) {
    const { eventTime, deprecatedLastTimestamp, regarding, reason, note } = event;
    lines.push(`-- ${eventTime ?? deprecatedLastTimestamp} ${regarding?.name} ${reason}: ${note}`);
  }
  return lines.join('\n');
}

/** A line of the guardian's log without its status object. */
function brief(line: string): string {
  const { time, msg, event } = line.startsWith('{') ? (JSON.parse(line) as Record<string, string>) : {};
  return time === undefined ? line : `${time} ${event ?? ''} ${msg}`;
}
