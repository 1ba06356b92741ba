import { afterEach, describe, expect, it } from 'vitest';
import { findCluster } from '../../../src/sources/kubernetes-pod.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';

let tree: FakeTree | undefined;
afterEach(() => tree?.remove());

const claims = (about: object) =>
  `x.${Buffer.from(JSON.stringify({ 'kubernetes.io': about })).toString('base64url')}.x`;
const BOUND = claims({
  namespace: 'team',
  pod: { name: 'agent-abc', uid: 'u-1' },
  serviceaccount: { name: 'runner' },
});
const SERVICE = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '6443' };
const NAMED = { POD_NAME: 'agent-1', POD_NAMESPACE: 'ns', POD_UID: 'u-2' };

function look(env: NodeJS.ProcessEnv, files: Record<string, string>) {
  tree?.remove();
  tree = fakeTree(files);
  return findCluster({
    env,
    directory: `${tree.root}/sa`,
    hostName: 'some-host',
    procRoot: `${tree.root}/proc`,
  });
}

describe('findCluster', () => {
  it('takes who it is from the downward API, whatever else is known', () => {
    expect(look({ ...SERVICE, ...NAMED }, { 'sa/token': BOUND })).toEqual({
      host: '10.96.0.1',
      port: 6443,
      tokenFile: `${tree?.root}/sa/token`,
      caFile: `${tree?.root}/sa/ca.crt`,
      pod: { namespace: 'ns', name: 'agent-1', uid: 'u-2', serviceAccount: 'runner' },
      missing: [],
    });
  });

  it('else from the token, which is bound to the pod', () => {
    expect(look(SERVICE, { 'sa/token': BOUND })).toMatchObject({
      pod: { namespace: 'team', name: 'agent-abc', uid: 'u-1' },
      missing: [],
    });
  });

  it('else from the namespace file, the host name and the mounts, and says what is missing', () => {
    expect(look(SERVICE, { 'sa/token': 'opaque', 'sa/namespace': 'team\n' })).toMatchObject({
      pod: { namespace: 'team', name: 'some-host', uid: undefined, serviceAccount: undefined },
      missing: [expect.stringContaining('POD_NAME'), expect.stringContaining('POD_UID')],
    });
    const mountinfo = '1 2 0:1 /pods/u-3/containers/spillway/0a /dev/termination-log rw - ext4 a rw\n';
    const found = look(SERVICE, {
      'sa/token': 'opaque',
      'sa/namespace': 'team',
      'proc/self/mountinfo': mountinfo,
    });
    expect(found).toMatchObject({ pod: { uid: 'u-3' }, missing: [expect.stringContaining('POD_NAME')] });
  });

  it('takes the port for https, and 443 where none is given', () => {
    const files = { 'sa/token': BOUND };
    expect(look({ ...SERVICE, KUBERNETES_SERVICE_PORT_HTTPS: '7443' }, files)).toMatchObject({ port: 7443 });
    expect(look({ KUBERNETES_SERVICE_HOST: 'fd00::1' }, files)).toMatchObject({ host: 'fd00::1', port: 443 });
  });

  it('says why there is no way to the API server', () => {
    expect(look({}, { 'sa/token': BOUND })).toMatchObject({ code: 'not_in_pod', inCluster: false });
    expect(look(SERVICE, {})).toMatchObject({
      code: 'no_token',
      reason: expect.stringContaining(`${tree?.root}/sa/token`),
      inCluster: true,
    });
    expect(look(SERVICE, { 'sa/token': 'opaque' })).toMatchObject({
      code: 'no_namespace',
      inCluster: true,
    });
  });
});
