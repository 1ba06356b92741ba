// What `helm test` runs, with the project's own image: asks the API server and the demo, and says what it found.
import { readFileSync } from 'node:fs';

const { API_HOST, API_PORT, NAMESPACE, AGENT_NAMESPACES, EVENTS, EXCLUDED, INJECTS, IMAGE, DEMO_HOST } =
  process.env;
const LABEL = 'spillway.dev/inject';
const token = readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/token', 'utf8');
const inUrl = (host) => (host.includes(':') ? `[${host}]` : host);
const listOf = (text) => text.split(',').filter(Boolean);
let failed = 0;

function check(what, ok, detail = '') {
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${what}${detail ? `: ${detail}` : ''}\n`);
  if (!ok) failed++;
}
const note = (text) => process.stdout.write(`note ${text}\n`);

async function call(method, path, body) {
  const response = await fetch(`https://${inUrl(API_HOST)}:${API_PORT}${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(10_000),
  });
  return { status: response.status, body: await response.json() };
}

/** All objects of a list, page by page. */
async function* listed(path) {
  let next = '';
  do {
    const { status, body } = await call(
      'GET',
      `${path}${path.includes('?') ? '&' : '?'}limit=100&continue=${next}`,
    );
    if (status !== 200) throw new Error(`GET ${path} returned ${status}: ${body.message}`);
    yield* body.items;
    next = encodeURIComponent(body.metadata.continue ?? '');
  } while (next);
}

/** Whether a service account may do something in its namespace. */
async function may(namespace, account, verb, resource, group = '') {
  const { status, body } = await call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: {
      user: `system:serviceaccount:${namespace}:${account}`,
      groups: ['system:authenticated', 'system:serviceaccounts', `system:serviceaccounts:${namespace}`],
      resourceAttributes: { namespace, verb, resource, group },
    },
  });
  if (status !== 201) throw new Error(`a SubjectAccessReview returned ${status}: ${body.message}`);
  return body.status.allowed;
}

/** What the API server would make of a pod, without making it. */
async function admitted(namespace, label) {
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  const amounts = { cpu: '50m', memory: '64Mi' };
  const { status, body } = await call('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, {
    metadata: { generateName: 'spillway-test-', labels: label === undefined ? {} : { [LABEL]: label } },
    spec: {
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        { name: 'agent', image: IMAGE, resources: { requests: amounts, limits: amounts }, securityContext },
      ],
    },
  });
  const said = body.metadata?.annotations?.['spillway.dev/status'] ?? '';
  return { status, sidecar: guardOf(body), message: body.message ?? '', said };
}

function guardOf({ spec: { initContainers = [], containers = [] } = {} }) {
  return [...initContainers, ...containers].find(({ name }) => name === 'spillway');
}

/** Labelled pods that have not ended, by namespace. */
async function askingPods() {
  const asking = {};
  const add = ({ metadata, spec, status }) => {
    const ends = metadata.deletionTimestamp || status.phase === 'Succeeded' || status.phase === 'Failed';
    if (ends || metadata.labels?.[LABEL] === 'false') return;
    const states = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
    asking[metadata.namespace] ??= {};
    asking[metadata.namespace][metadata.name] = {
      guarded: guardOf({ spec }) !== undefined,
      account: spec.serviceAccountName ?? 'default',
      events: metadata.annotations?.['spillway.dev/events'] !== 'off',
      waits: states.find(({ name }) => name === 'spillway')?.state?.waiting?.reason ?? '',
    };
  };
  for await (const pod of listed(`/api/v1/pods?labelSelector=${LABEL}%3Dtrue`)) add(pod);
  for await (const { metadata } of listed(`/api/v1/namespaces?labelSelector=${LABEL}%3Dtrue`))
    if (!listOf(EXCLUDED).includes(metadata.name))
      for await (const pod of listed(`/api/v1/namespaces/${metadata.name}/pods`)) add(pod);
  return asking;
}

async function checkEvents(namespace, accounts) {
  for (const verb of ['create', 'patch']) {
    const without = [];
    for (const account of accounts)
      if (!(await may(namespace, account, verb, 'events', 'events.k8s.io'))) without.push(account);
    check(
      `guardians in ${namespace} may ${verb} Events`,
      without.length === 0,
      without.length > 0 ? `not as ${without.join(', ')}; name ${namespace} in rbac.namespaces` : '',
    );
  }
}

function checkPods(namespace, pods) {
  const which = (is) => Object.entries(pods).flatMap(([name, pod]) => (is(pod) ? [name] : []));
  const some = (names) =>
    `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
  const bare = which(({ guarded }) => !guarded);
  const why = listOf(EXCLUDED).includes(namespace)
    ? 'the namespace is one of injector.excludedNamespaces, or the release’s own'
    : 'restart them (kubectl rollout restart); the warning at the creation of a pod has the reason if it still has none';
  check(
    `labelled pods in ${namespace} have a guardian`,
    bare.length === 0,
    bare.length > 0 ? `not ${some(bare)}: ${why}` : '',
  );
  const pulling = which(({ waits }) => /ImagePull|ErrImage|InvalidImage/.test(waits));
  if (pulling.length > 0)
    check(
      `nodes can pull the sidecar image in ${namespace}`,
      false,
      `not for ${some(pulling)}: add the pull secret to their service account, or set image.repository to a mirror`,
    );
}

/** Whether a namespace of agents admits a labelled pod: quotas, LimitRanges, Pod Security, injection. */
async function checkAdmission(namespace) {
  const plain = await admitted(namespace, 'false');
  if (plain.status !== 201)
    return note(`${namespace}: skipped, as it admits no pod at all: ${plain.message}`);
  const { status, sidecar, message, said } = await admitted(namespace, 'true');
  const none = said.startsWith('not injected: ')
    ? `${said}; make room for sidecar.resources, or change these`
    : 'it has none: is the namespace one of injector.excludedNamespaces?';
  check(
    `${namespace} admits a labelled pod, with its sidecar`,
    status === 201 && sidecar !== undefined,
    status !== 201 ? `${message}; make room for sidecar.resources, or change these` : sidecar ? '' : none,
  );
}

if (INJECTS === 'true') {
  const until = Date.now() + 20_000; // a new policy or webhook needs a moment
  let asked = await admitted(NAMESPACE, 'true');
  while (!asked.sidecar && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    asked = await admitted(NAMESPACE, 'true');
  }
  check(
    'a pod with the label gets the sidecar, under Pod Security restricted',
    asked.status === 201 && asked.sidecar?.image === IMAGE,
    asked.message,
  );
  const plain = await admitted(NAMESPACE);
  check('a pod without it does not', plain.status === 201 && !plain.sidecar, plain.message);
  const declined = await admitted(NAMESPACE, 'false');
  check('a pod that declines does not', declined.status === 201 && !declined.sidecar, declined.message);
}

const named = listOf(AGENT_NAMESPACES);
const asking = INJECTS === 'true' ? await askingPods() : {};
for (const namespace of new Set([...named, ...Object.keys(asking)])) {
  const pods = asking[namespace] ?? {};
  checkPods(namespace, pods);
  const accounts = Object.values(pods).flatMap(({ account, events }) => (events ? [account] : []));
  if (EVENTS === 'true')
    await checkEvents(namespace, new Set(named.includes(namespace) ? [...accounts, 'any-other'] : accounts));
  if (INJECTS === 'true' && named.includes(namespace)) await checkAdmission(namespace);
}

if (DEMO_HOST) {
  const until = Date.now() + 60_000; // both replicas may be full at once
  let answer = 'nothing';
  let level;
  while (level === undefined && Date.now() < until) {
    try {
      const response = await fetch(`http://${inUrl(DEMO_HOST)}:9797/readyz`, {
        signal: AbortSignal.timeout(2_000),
      });
      answer = `status ${response.status}`;
      level = (await response.json()).level;
    } catch (error) {
      answer = String(error.cause ?? error);
    }
    if (level === undefined) await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  check("the demo's guardian answers", level !== undefined, level ? `level ${level}` : answer);
}

process.exitCode = failed > 0 ? 1 : 0;
