import { messageOf } from '../../core/lib/errors.ts';
import { localUrl } from '../../core/lib/loopback.ts';
import { inPod, type Outcome, pass, warn } from './check.ts';
import { type Mesh, passesMesh, readinessProbe } from './manifest.ts';

const TIMEOUT_MS = 2_000;
/** A guardian that has run for so long has been asked by then: a probe asks every 10 s by Kubernetes' default. */
const EARLY_S = 15;
const COUNT = /^spillway_probes_total (\d+)/m;

/**
 * Whether the kubelet asks for the readiness of the guardian that runs here: the guardian counts it. Who may see the pod's
 * manifest is not asked: a sidecar has no right to read it.
 * @param ageS how long that guardian has been running
 * @param mesh whose proxy takes the pod's connections, where one does
 */
export async function probeCheck(
  listen: { host: string; port: number },
  ageS: number,
  mesh?: Mesh,
): Promise<Outcome> {
  const url = `${localUrl(listen)}/metrics`;
  let count: number;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    count = Number(COUNT.exec(await answer.text())?.[1] ?? 0);
  } catch (error) {
    return warn(`the guardian does not answer at ${url}: ${messageOf(error)}`, 'look at its log');
  }
  if (count > 0) return pass(`the kubelet asked for /readyz ${count} times`);
  if (ageS < EARLY_S) return warn('too early to tell', 'ask again in a moment');
  if (mesh)
    return inPod(
      warn(
        `the kubelet never asked for /readyz, and a proxy of ${mesh} runs in this pod`,
        `the proxy may refuse what is not encrypted: have the sidecar injected before it, or keep port ${listen.port} from it`,
      ),
      'without it the pod is not ready, or stays in its Services under pressure',
      passesMesh(mesh, listen.port),
    );
  return inPod(
    warn('the kubelet never asked for /readyz', 'give the sidecar a readiness probe'),
    'without it the pod stays in its Services under pressure: nobody but who asks /admit is kept away',
    readinessProbe(listen.port),
  );
}
