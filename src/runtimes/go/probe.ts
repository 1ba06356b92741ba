import { formatAddress } from '../../core/lib/address.ts';
import { listeningSockets } from '../../sources/listening-ports.ts';
import { ASK_MS, type ProbeOptions, type RuntimeProbe } from '../probe.ts';
import { createEndpoint } from './endpoint.ts';

/** @throws SpillwayError `refused`, with the hint */
export async function probeGo(pid: number, { procRoot }: ProbeOptions): Promise<RuntimeProbe> {
  const { address: host, port } = await createEndpoint(
    { procRoot, pid, listening: listeningSockets },
    ASK_MS,
  ).socket();
  return { code: 'pprof', detail: `pprof on ${formatAddress({ host, port })}` };
}
