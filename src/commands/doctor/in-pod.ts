import { readFileSync } from 'node:fs';
import type { Config } from '../../config/options.ts';
import { containerPlace } from '../../sources/container-name.ts';
import { type ProcessRow, scanProcesses } from '../../sources/process-table.ts';
import { type Check, inPod, type Outcome } from './check.ts';
import type { Beside } from './guardian-beside.ts';
import { kubernetesEvents } from './kubernetes-events.ts';
import { agentNamed, type Mesh, ownProcesses, recordVolume, sharedProcesses } from './manifest.ts';
import { ownCpuCheck, ownMemoryCheck } from './own-limits.ts';
import { processAccess } from './process-access.ts';
import { probeCheck } from './readiness-probe.ts';
import { restartDelay } from './restart-delay.ts';

/** Clock ticks in a second of `/proc`: USER_HZ, 100 on every Linux that runs Node. */
const TICKS_PER_SECOND = 100;
/** Stands for the agent's container where its name is not known. */
const UNKNOWN = 'AGENT';

export interface PodOptions {
  env: NodeJS.ProcessEnv;
  /** `undefined` where none was found. */
  agentPid: number | undefined;
  beside: Beside | undefined;
  /** Default `/proc`. */
  procRoot?: string;
}

/** Name of the agent's container, for the lines of a manifest. */
export function containerOf({ agent }: Pick<Config, 'agent'>, pid: number, procRoot = '/proc'): string {
  return containerPlace(procRoot, pid)?.container ?? (agent.kind === 'container' ? agent.name : UNKNOWN);
}

/** What only a pod can lack: what its manifest, its cluster and its own limits give the guardian. */
export async function podChecks(config: Config, options: PodOptions): Promise<Check[]> {
  const { env, agentPid, beside, procRoot = '/proc' } = options;
  const checks: Check[] = [];
  if (agentPid !== undefined)
    checks.push({
      check: 'process access',
      ...processAccess(procRoot, agentPid, containerOf(config, agentPid, procRoot)),
    });
  checks.push({ check: 'Kubernetes Events', ...(await kubernetesEvents(config, { env, procRoot })) });
  if (beside)
    checks.push(
      {
        check: 'readiness probe',
        ...(await probeCheck(config.listen, ageS(procRoot, beside), meshIn(procRoot))),
      },
      { check: 'restart delay', ...(await restartDelay(config.listen)) },
    );
  checks.push({ check: 'own memory', ...ownMemoryCheck() });
  checks.push({ check: 'own CPU', ...ownCpuCheck() });
  return checks;
}

/** What the manifest lacks where no agent was found, or several: told by what else is to be seen. */
export function withManifest(
  found: Outcome,
  config: Pick<Config, 'agent'>,
  selfPid: number,
  procRoot = '/proc',
): Outcome {
  if (found.status === 'pass') return found;
  const why = 'without it Spillway guards nothing';
  const rows = [...scanProcesses(procRoot, new Map())];
  if (seesHost(rows, selfPid))
    return inPod(
      {
        ...found,
        code: 'sees_node',
        detail: `${found.detail}; the pod uses hostPID: every process of the node is visible`,
      },
      why,
      ownProcesses(),
    );
  const own = containerPlace(procRoot, selfPid)?.container;
  const others = containersOf(rows, procRoot).filter((name) => name !== own);
  if (rows.some(isOther(rows, selfPid))) {
    const [first = UNKNOWN] = others;
    const right =
      config.agent.kind === 'container' && others.includes(config.agent.name) ? config.agent.name : first;
    const seen =
      others.length === 0 ? found.detail : `${found.detail}; visible containers: ${others.join(', ')}`;
    return inPod({ ...found, detail: seen }, why, agentNamed(right));
  }
  // a pod that shares its processes shows what holds them, even while no agent runs
  return rows.some(isHolder) ? { ...found, why } : inPod(found, why, sharedProcesses());
}

/** The lines that make room for reports of deaths. */
export function withVolume(recording: Outcome, { recordDir }: Pick<Config, 'recordDir'>): Outcome {
  if (recordDir === undefined || recording.status === 'pass') return recording;
  return inPod(recording, 'without it the post-mortems are lost with the guardian', recordVolume(recordDir));
}

/** What holds the namespaces of a pod: containerd's, CRI-O's. */
export function isHolder({ pid, args }: ProcessRow): boolean {
  return args[0] === '/pause' || (pid === 1 && /(?:^|\/)(?:pause|pod|catatonit)$/.test(args[0] ?? ''));
}

function containersOf(rows: readonly ProcessRow[], procRoot: string): string[] {
  return [...new Set(rows.flatMap(({ pid }) => containerPlace(procRoot, pid)?.container ?? []))].sort();
}

/** The first process of a pod is what holds its namespaces, of a container its own: of a machine it is somebody else's. */
function seesHost(rows: readonly ProcessRow[], selfPid: number): boolean {
  const first = rows.find(({ pid }) => pid === 1);
  const isOthers = isOther(rows, selfPid);
  return rows.some(({ stat }) => stat.kernelThread) || (first !== undefined && isOthers(first));
}

function isOther(rows: readonly ProcessRow[], selfPid: number) {
  const group = rows.find(({ pid }) => pid === selfPid)?.group;
  return (row: ProcessRow) => row.group !== group && row.args.length > 0 && !isHolder(row);
}

/** The mesh whose proxy is among the pod's processes. */
export function meshIn(procRoot: string): Mesh | undefined {
  for (const { args } of scanProcesses(procRoot, new Map())) {
    const program = args[0]?.split('/').at(-1);
    if (program === 'envoy' || program === 'pilot-agent') return 'Istio';
    if (program === 'linkerd2-proxy' || program === 'linkerd-proxy') return 'Linkerd';
  }
  return undefined;
}

function ageS(procRoot: string, { startTime }: Beside): number {
  const uptime = Number(readFileSync(`${procRoot}/uptime`, 'latin1').split(' ')[0]);
  return uptime - startTime / TICKS_PER_SECOND;
}
