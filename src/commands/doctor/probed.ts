import { messageOf } from '../../core/errors.ts';
import { readinessProbe } from './manifest.ts';
import { type Ability, inPod, partly, yes } from './power.ts';

const TIMEOUT_MS = 2_000;
/** A guardian that has run for so long has been asked by then: a probe asks every 10 s by Kubernetes' default. */
const EARLY_S = 15;
const COUNT = /^spillway_probes_total (\d+)/m;

/**
 * Whether the kubelet asks for the readiness of the guardian that runs here: the guardian counts it. Who may see the pod's
 * manifest is not asked: a sidecar has no right to read it.
 * @param ageS how long that guardian has been running
 */
export async function beingProbed(
  { host, port }: { host: string; port: number },
  ageS: number,
): Promise<Ability> {
  const address =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  const url = `http://${address}:${port}/metrics`;
  let count: number;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    count = Number(COUNT.exec(await answer.text())?.[1] ?? 0);
  } catch (error) {
    return partly(`the guardian does not answer at ${url}: ${messageOf(error)}`, 'look at its log');
  }
  if (count > 0) return yes(`the kubelet asked for /readyz ${count} times`);
  if (ageS < EARLY_S) return partly('too early to tell', 'ask again in a moment');
  return inPod(
    partly('the kubelet never asked for /readyz', 'give the sidecar a readiness probe'),
    'without it the pod stays in its Services under pressure: nobody but who asks /admit is kept away',
    readinessProbe(port),
  );
}
