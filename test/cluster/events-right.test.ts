import type { V1Pod } from '@kubernetes/client-node';
import { describe, expect, inject, it } from 'vitest';
import { ask, create } from './support/api.ts';
import { execIn } from './support/exec.ts';
import { makeNamespace } from './support/namespace.ts';
import { container, podSpec, untilPod } from './support/workload.ts';

const lacks = inject('clusterLacks');

/** Posts Events by the pod's own token: NAME CONTROLLER pairs, then a patch of the Event named last. Prints the statuses. */
const POST = `
const { readFileSync } = require('node:fs');
const mounted = (name) => readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/' + name, 'utf8');
const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
const namespace = mounted('namespace');
const send = (method, more, body) => new Promise((resolve, reject) => require('node:https').request({
  host, port, method, ca: mounted('ca.crt'), path: '/apis/events.k8s.io/v1/namespaces/' + namespace + '/events' + more,
  headers: { authorization: 'Bearer ' + mounted('token'), 'content-type': method === 'POST' ? 'application/json' : 'application/merge-patch+json' },
}, (response) => resolve(response.resume().statusCode)).on('error', reject).end(JSON.stringify(body)));
const event = (name, reportingController) => ({
  apiVersion: 'events.k8s.io/v1', kind: 'Event', metadata: { generateName: 'test-', namespace }, eventTime: new Date().toISOString().replace('Z', '000Z'),
  regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name }, reportingController, reportingInstance: 'a', reason: 'AgentOOMKilled', action: 'Test', type: 'Warning', note: 'a test',
});
(async () => {
  const [own, other, existing] = process.argv.slice(1);
  const statuses = [await send('POST', '', event(own, 'spillway.dev/guardian')), await send('POST', '', event(other, 'spillway.dev/guardian')),
    await send('POST', '', event(own, 'kubelet')), await send('PATCH', '/' + existing, { series: { count: 2, lastObservedTime: new Date().toISOString().replace('Z', '000Z') } })];
  console.log(JSON.stringify(statuses));
})();`;

describe.skipIf(lacks !== '')(`the right to post Events${lacks && `: ${lacks}`}`, () => {
  it('should reach as far as the pod itself, and leave other rights alone', async (context) => {
    const namespace = await makeNamespace(context);
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    const rules = [{ apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] }];
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'tells' };
    await ask('POST', `${rbac}/roles`, { metadata: { name: 'tells' }, rules });
    await ask('POST', `${rbac}/rolebindings`, {
      ...{ metadata: { name: 'tells' }, roleRef },
      subjects: [{ kind: 'ServiceAccount', name: 'controller', namespace }],
    });
    await ask('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, {
      metadata: { name: 'controller' },
    });
    const others = { metadata: { name: 'of-another', namespace } };
    await ask('POST', `/apis/events.k8s.io/v1/namespaces/${namespace}/events`, {
      ...others,
      ...{ eventTime: new Date().toISOString().replace('Z', '000Z'), reason: 'Other', action: 'Other' },
      ...{ type: 'Normal', note: 'as it was', reportingController: 'other', reportingInstance: 'other' },
      regarding: { apiVersion: 'v1', kind: 'Pod', namespace, name: 'plain' },
    });
    const post = async (name: string, serviceAccountName: string) => {
      const sleeps = container(name, ['node', '-e', 'setInterval(() => {}, 1000)']);
      const spec = { ...podSpec([sleeps]), serviceAccountName };
      const labels = { 'spillway.dev/inject': 'false' };
      await create<V1Pod & { kind: string }>({
        ...{ apiVersion: 'v1', kind: 'Pod' },
        ...{ metadata: { name, namespace, labels }, spec },
      });
      await untilPod(namespace, name, 'it runs', ({ status }) => status?.phase === 'Running');
      const said = await execIn(namespace, name, name, ['node', '-e', POST, name, 'other', 'of-another']);
      return JSON.parse(said);
    };
    expect(await post('plain', 'default')).toEqual([201, 403, 403, 403]);
    expect(await post('manager', 'controller')).toEqual([201, 201, 201, 200]);
  });
});
