import { localUrl } from '../../core/lib/address.ts';
import { messageOf } from '../../core/lib/errors.ts';
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
    return warn(
      'guardian_silent',
      `the guardian does not answer at ${url}: ${messageOf(error)}`,
      'check its log',
    );
  }
  if (count > 0) return pass(`the kubelet has probed /readyz ${count} times`);
  if (ageS < EARLY_S) return warn('too_early', 'too early to tell', 'run doctor again in a moment');
  if (mesh)
    return inPod(
      warn(
        'mesh',
        `the kubelet has never probed /readyz, and this pod has a proxy of ${mesh}`,
        `the proxy may reject plain HTTP: inject the sidecar before it, or exclude port ${listen.port} from it`,
      ),
      'without it the pod is not ready, or stays in its Services under pressure',
      passesMesh(mesh, listen.port),
    );
  return inPod(
    warn('never_probed', 'the kubelet has never probed /readyz', 'give the sidecar a readiness probe'),
    'without it the pod stays in its Services under pressure: only clients of /admit are refused',
    readinessProbe(listen.port),
  );
}
