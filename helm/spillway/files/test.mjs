// What `helm test` runs, with the project's own image: asks the API server and the demo, and says what it found.
import { readFileSync } from 'node:fs';

const { API, NAMESPACE, EVENT_NAMESPACES, INJECTS, IMAGE, DEMO } = process.env;
const token = readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/token', 'utf8');
let failed = 0;

function check(what, ok, detail = '') {
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'} ${what}${detail ? `: ${detail}` : ''}\n`);
  if (!ok) failed++;
}

async function post(path, body) {
  const response = await fetch(`${API}${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  return { status: response.status, body: await response.json() };
}

/** Whether any service account of a namespace may do something there. */
async function may(namespace, verb, resource, group = '') {
  const { status, body } = await post('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: {
      user: `system:serviceaccount:${namespace}:spillway-test-any`,
      groups: ['system:authenticated', 'system:serviceaccounts', `system:serviceaccounts:${namespace}`],
      resourceAttributes: { namespace, verb, resource, group },
    },
  });
  if (status !== 201) throw new Error(`a SubjectAccessReview was answered with ${status}: ${body.message}`);
  return body.status.allowed;
}

/** What the API server would make of a pod, without making it. */
async function admitted(labels) {
  const securityContext = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
  const { status, body } = await post(`/api/v1/namespaces/${NAMESPACE}/pods?dryRun=All`, {
    metadata: { generateName: 'spillway-test-', labels },
    spec: {
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        { name: 'agent', image: IMAGE, resources: { limits: { memory: '64Mi' } }, securityContext },
      ],
    },
  });
  const { initContainers = [], containers = [] } = body.spec ?? {};
  const sidecar = [...initContainers, ...containers].find(({ name }) => name === 'spillway');
  return { status, sidecar, message: body.message ?? '' };
}

for (const namespace of EVENT_NAMESPACES.split(',').filter(Boolean)) {
  for (const verb of ['create', 'patch'])
    check(
      `guardians in ${namespace} may ${verb} Events`,
      await may(namespace, verb, 'events', 'events.k8s.io'),
    );
}

if (INJECTS === 'true') {
  const label = 'spillway.dev/inject';
  const until = Date.now() + 20_000; // a new policy, and a new webhook, take a moment to act
  let asked = await admitted({ [label]: 'true' });
  while (!asked.sidecar && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    asked = await admitted({ [label]: 'true' });
  }
  check(
    'a pod with the label gets the sidecar, under Pod Security restricted',
    asked.status === 201 && asked.sidecar?.image === IMAGE,
    asked.message,
  );
  const plain = await admitted({});
  check('a pod without it does not', plain.status === 201 && !plain.sidecar, plain.message);
  const declined = await admitted({ [label]: 'false' });
  check('a pod that declines does not', declined.status === 201 && !declined.sidecar, declined.message);
}

if (DEMO) {
  const until = Date.now() + 60_000; // both replicas may be full at once
  let answer = 'nothing';
  let level;
  while (level === undefined && Date.now() < until) {
    try {
      const response = await fetch(DEMO, { signal: AbortSignal.timeout(2_000) });
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
