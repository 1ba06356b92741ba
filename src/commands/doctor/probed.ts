import { readFileSync } from 'node:fs';
import { readinessProbe } from './manifest.ts';
import { type Ability, inPod, partly, yes } from './power.ts';

/** `TCP_TIME_WAIT`: the guardian has closed the connection within the last 60 s (`TCP_TIMEWAIT_LEN`, the same on every Linux). */
const CLOSED = '06';
const KEPT_S = 60;
/**
 * A probe every second leaves a third of its traces or more (the rest is kept by the kubelet's side, which closed first): seen
 * 5 in 16 s. A liveness probe every 10 s leaves 6 in the minute at most.
 */
const OFTEN = 12;
/** Before, the startup probe and a first liveness probe are half of what is to be seen. */
const EARLY_S = 30;
const ROW = /^ *\d+: ([\dA-F]+):([\dA-F]{4}) ([\dA-F]+):[\dA-F]{4} ([\dA-F]{2}) /gm;
const LOOPBACK = /^(?:[\dA-F]{6}7F|0{24}01000000|0{16}FFFF0000[\dA-F]{6}7F)$/;

/**
 * Whether somebody outside the pod asks the guardian's port as the kubelet does: a new connection each time. Of these the
 * kernel keeps a trace for a minute. What was asked it does not tell, and who may see the pod's manifest is not asked:
 * a sidecar has no right to read it.
 * @param ageS how long the guardian has been running: before a minute is over, less is to be seen
 */
export function beingProbed(port: number, ageS: number, procRoot = '/proc'): Ability {
  const count = connectionsTo(port, procRoot);
  const expected = OFTEN * Math.min(1, ageS / KEPT_S);
  if (count >= OFTEN || (ageS >= EARLY_S && count >= expected))
    return yes(`port ${port} was asked at least ${count} times in the last minute`);
  if (ageS < EARLY_S) return partly('too early to tell', 'ask again in a moment');
  const detail =
    count === 0
      ? `nobody outside the pod has asked port ${port} in the last minute`
      : `port ${port} was asked seldom (${count} traces of the last minute): a liveness probe, but no readiness probe every second`;
  return inPod(
    partly(
      detail,
      'give the sidecar a readiness probe, if it has none (one that was added just now will show soon)',
    ),
    'without it the pod stays in its Services under pressure: nobody but who asks /admit is kept away',
    readinessProbe(port),
  );
}

function connectionsTo(port: number, procRoot: string): number {
  let count = 0;
  for (const table of ['tcp', 'tcp6'])
    for (const [, , local = '', remote = '', state] of textOf(`${procRoot}/self/net/${table}`).matchAll(ROW))
      if (state === CLOSED && Number.parseInt(local, 16) === port && !LOOPBACK.test(remote)) count++;
  return count;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return ''; // a kernel without IPv6
  }
}
