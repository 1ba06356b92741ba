import type { Logger } from '../adapters/logger.ts';
import type { Metrics } from '../adapters/metrics.ts';
import type { Config } from '../config/options.ts';
import type { GcRecord } from '../core/model/gc-record.ts';
import type { Clock, Remedy } from '../core/ports/ports.ts';
import { turnOf } from '../core/recycle/turn.ts';
import { keepProfile } from '../exporters/profile-files.ts';
import { aimSigterm, startRecycle } from '../remedies/drain.ts';
import { Recycler } from '../remedies/recycler.ts';
import { PressureRemediation } from '../remedies/remediation.ts';
import { createSignalRecord } from '../runtimes/node/signal-record.ts';
import { endsWholeGroups, oomAdjustment } from '../sources/proc-fs.ts';
import { handlesSigterm, sigtermTarget } from '../sources/sigterm.ts';
import { heapFromOutside } from '../sources/v8-heap.ts';
import { countInFlight } from '../sources/work-in-flight.ts';

/** What differs between the sidecar and wrap mode. */
export interface Mode {
  /** Whether whoever runs the agent starts it again when it has ended; `null` where that is not known. */
  restarted: boolean | null;
  /** Whether the agent sees the same files as the guardian. */
  sameFiles: boolean;
  /** What readiness says while there is no agent. In a pod the kubelet itself knows that its container does not run. */
  onAbsent?: 'unready';
}

/** Collections, the recycling, and the remedies of the user. */
export function composeRemediation(
  config: Config,
  mode: Mode,
  clock: Clock,
  logger: Logger,
  metrics: Metrics,
  collected: (record: GcRecord) => void,
  others: readonly Remedy[],
): PressureRemediation {
  const { recordDir } = config;
  const log = (level: 'info' | 'warn', message: string) => logger[level](message);
  const recycler = new Recycler({
    mode: config.recycle,
    restarted: mode.restarted,
    thresholds: config,
    turn: turnOf(process.env),
    kubelet: !mode.sameFiles,
    endsAll: endsWholeGroups(),
    oomAdjustment: (pid) => oomAdjustment('/proc', pid),
    clock,
    sigtermTarget: ({ info, worker }) => sigtermTarget('/proc', info.pid, worker.pid),
    handlesSigterm: (pid) => handlesSigterm('/proc', pid),
    start: (_, target, { alive, terminated, ...drain }) =>
      startRecycle({
        drain,
        aim: aimSigterm(target),
        alive,
        terminated,
        graceMs: config.recycleGrace,
        clock,
      }),
    log,
    recycled: metrics.recycled,
  });
  const signalRecord = createSignalRecord({
    dir: recordDir,
    clock,
    onProblem: (message) => logger.warn(message),
  });
  const registry = () => import('../runtimes/registry.ts'); // 7 MiB that only an agent under pressure needs
  return new PressureRemediation(
    {
      options: config,
      clock,
      connect: async (worker, maySignal) =>
        (await registry()).runtimeClientOf(worker, {
          procRoot: '/proc',
          gc: config.gc,
          maySignal,
          signalRecord,
          inPod: process.env['KUBERNETES_SERVICE_HOST'] !== undefined,
          sameFiles: mode.sameFiles,
        }),
      ended: (cause) => signalRecord.ended(cause),
      heapFromOutside: (pid) => heapFromOutside('/proc', pid),
      connections: (pids, leaveOut) => countInFlight('/proc', pids, leaveOut),
      log,
      collected(record) {
        metrics.collected(record);
        collected(record);
      },
      stalled: metrics.stalled,
      keep: async (profile) =>
        recordDir === undefined ? null : keepProfile(recordDir, profile, clock.wallMs()),
    },
    recycler,
    config.gc === 'off' && config.profile === 'off' ? async () => {} : registry,
    others,
  );
}
