import type { Logger } from '../adapters/logger.ts';
import type { Config } from '../config/options.ts';
import type { AgentHooks } from '../core/ports/agent-hook.ts';
import type { Clock } from '../core/ports/ports.ts';
import { turnOf } from '../core/recycle/turn.ts';
import { keepProfile } from '../exporters/profile-files.ts';
import { type Aim, aimSigterm } from '../remedies/drain.ts';
import type { RecyclerDeps } from '../remedies/recycler-deps.ts';
import type { SessionDeps } from '../remedies/session-deps.ts';
import { createSignalRecord } from '../runtimes/node/signal-record.ts';
import { endsWholeGroups, oomAdjustment } from '../sources/proc-fs.ts';
import { handlesSigterm, sigtermTarget } from '../sources/sigterm.ts';
import { heapFromOutside } from '../sources/v8-heap.ts';
import { countInFlight } from '../sources/work-in-flight.ts';
import type { HookPlacement } from './hooks.ts';

/** What differs between the sidecar and wrap mode. */
export interface Mode {
  /** Whether whoever runs the agent starts it again when it has ended; `null` where that is not known. */
  restarted: boolean | null;
  /** Whether the agent sees the same files as the guardian. */
  sameFiles: boolean;
  /** What readiness says while there is no agent. In a pod the kubelet itself knows that its container does not run. */
  onAbsent?: 'unready';
  /** Where the hooks of the agent connect; without it they do not. */
  hook?: HookPlacement;
  /** No other replica could take the work that is refused. */
  alone?: boolean;
}

/** The mode as the options have it. */
export function modeOf(mode: Mode, { replicas }: Pick<Config, 'replicas'>): Mode {
  return replicas === 'auto' ? mode : { ...mode, alone: replicas === 'one' };
}

/** What remedies ask of the machine, and do there. */
export interface Machine
  extends Pick<SessionDeps, 'connect' | 'heapFromOutside' | 'connections' | 'ended' | 'keep'>,
    Pick<RecyclerDeps, 'turn' | 'endsAll' | 'oomAdjustment' | 'sigtermTarget' | 'handlesSigterm'>,
    Pick<MachineParts, 'hooks'> {
  /** SIGTERM to a process, which is the same one when it is sent. */
  aimSigterm(pid: number): Aim;
  /** Loads what connects to the agent's runtime. */
  prepare(): Promise<unknown>;
}

/** What the machine is seen with. */
export interface MachineParts {
  clock: Clock;
  logger: Logger;
  hooks: Pick<AgentHooks, 'of' | 'requests' | 'waiting'>;
}

/** The machine that this process runs on. */
export function thisMachine(config: Config, mode: Mode, { clock, logger, hooks }: MachineParts): Machine {
  const { recordDir, gc, profile } = config;
  const onProblem = (message: string) => logger.warn(message);
  const signalRecord = createSignalRecord({ dir: recordDir, clock, onProblem });
  const inPod = process.env['KUBERNETES_SERVICE_HOST'] !== undefined;
  const registry = () => import('../runtimes/registry.ts'); // 7 MiB that only an agent under pressure needs
  return {
    prepare: gc === 'off' && profile === 'off' ? async () => {} : registry,
    async connect(worker, maySignal) {
      const { runtimeClientOf } = await registry();
      const { sameFiles } = mode;
      const options = { procRoot: '/proc', gc, maySignal, signalRecord, inPod, sameFiles, hooks };
      return runtimeClientOf(worker, options);
    },
    hooks,
    ended: (cause) => signalRecord.ended(cause),
    heapFromOutside: (pid) => heapFromOutside('/proc', pid),
    connections: (pids, leaveOut) => countInFlight('/proc', pids, leaveOut),
    keep: async (file) => (recordDir === undefined ? null : keepProfile(recordDir, file, clock.wallMs())),
    turn: mode.alone ? null : turnOf(process.env),
    endsAll: endsWholeGroups(),
    oomAdjustment: (pid) => oomAdjustment('/proc', pid),
    sigtermTarget: ({ info, worker }) => sigtermTarget('/proc', info.pid, worker.pid),
    handlesSigterm: (pid) => hooks.of(pid)?.state?.sigterm ?? handlesSigterm('/proc', pid),
    aimSigterm,
  };
}
