import { randomUUID } from 'node:crypto';
import { totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type AdminServer, createAdminServer } from './adapters/admin-server.ts';
import { createHttpServer, type HttpServer } from './adapters/http-server.ts';
import { createLogger, type Logger } from './adapters/logger.ts';
import { createMetrics } from './adapters/metrics.ts';
import { readProcessUsage } from './adapters/pidusage.ts';
import { createAllowance } from './adapters/rate-limit.ts';
import { retry } from './adapters/retry.ts';
import type { StreamMessage } from './adapters/status-stream.ts';
import { createWebhook } from './adapters/webhook.ts';
import type { Config } from './config/options.ts';
import { messageOf, SpillwayError } from './core/lib/errors.ts';
import type { GcRecord } from './core/model/gc-record.ts';
import type { AgentProcess, Clock, FindAgent } from './core/ports/ports.ts';
import { Admission } from './core/pressure/admission.ts';
import { retryAfterSeconds } from './core/pressure/retry-after.ts';
import { turnOf } from './core/recycle/turn.ts';
import { HistoryStore } from './core/report/history.ts';
import { historyReport, withCollection } from './core/report/history-report.ts';
import { createKubernetesEvents, type KubernetesEventsSink } from './exporters/kubernetes-events/sink.ts';
import { createNotifier, type Notifier } from './exporters/notifier.ts';
import { createPostMortemStore, type PostMortemStore } from './exporters/post-mortem-store.ts';
import { keepFile, roomForSnapshot } from './exporters/profile-files.ts';
import { Guardian } from './guardian.ts';
import { aimSigterm, startRecycle } from './remedies/drain.ts';
import { createPreKillHook } from './remedies/pre-kill-hook.ts';
import { Recycler } from './remedies/recycler.ts';
import { PressureRemediation } from './remedies/remediation.ts';
import { createSignalRecord } from './runtimes/node/signal-record.ts';
import { type AgentProcessOptions, watchAgent } from './sources/agent-process.ts';
import { createInjectedRatio } from './sources/injected-ratio.ts';
import { findCluster } from './sources/kubernetes-pod.ts';
import { endsWholeGroups, oomAdjustment } from './sources/proc-fs.ts';
import { argsOf, shortName } from './sources/process-table.ts';
import { handlesSigterm, sigtermTarget } from './sources/sigterm.ts';
import { heapFromOutside } from './sources/v8-heap.ts';
import { readWebhookUrl } from './sources/webhook-url.ts';
import { countInFlight } from './sources/work-in-flight.ts';

/** A guardian with all it reads, does and tells. */
export interface Assembly {
  guardian: Guardian;
  relief: PressureRemediation;
  http: HttpServer;
  admin: AdminServer;
  logger: Logger;
  notifier: Notifier;
  recorder: PostMortemStore;
  /** Follows a process with the sources of this machine. */
  life(options: Whom): AgentProcess;
}

/** What differs between the sidecar and wrap mode. */
export interface Mode {
  /** Whether whoever runs the agent starts it again when it has ended; `null` where that is not known. */
  restarted: boolean | null;
  /** Whether the agent sees the same files as the guardian. */
  sameFiles: boolean;
  /** What readiness says while there is no agent. In a pod the kubelet itself knows that its container does not run. */
  onAbsent?: 'unready';
}

/** The page at `/`: the build says where it lies, as seen from the bundle's chunk that this becomes part of. */
const PAGE = fileURLToPath(new URL(process.env['SPILLWAY_PAGE'] ?? '../dist/page.html', import.meta.url));

type Whom = Pick<AgentProcessOptions, 'pid' | 'restarts' | 'sameGroup'> & Partial<AgentProcessOptions>;

export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(fn, ms) {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  newId: randomUUID,
};

/** A time as it stands in names of files. */
function stamp(wallMs: number): string {
  return new Date(wallMs).toISOString().replaceAll(':', '-');
}

/** Follows a process with the sources of this machine. */
export function follow(config: Pick<Config, 'limit' | 'downwardLimit'>, whom: Whom): AgentProcess {
  return watchAgent({
    procRoot: '/proc',
    platform: process.platform,
    machineBytes: totalmem(),
    limitBytes: config.limit,
    downwardLimitBytes: config.downwardLimit,
    privateGroup: false,
    readUsage: readProcessUsage,
    ...whom,
  });
}

/** Events of one object that client-go sends at once, and how often one more. */
const EVENT_RATE = { burst: 25, everyMs: 300_000 };

/** Kubernetes Events, where they are wanted and there is a way to the API server. */
function kubernetesEvents(config: Config, version: string, logger: Logger): KubernetesEventsSink | undefined {
  if (config.events === 'off') return undefined;
  const cluster = findCluster({ env: process.env });
  if ('reason' in cluster) {
    if (config.events === 'on' || cluster.inCluster) logger.warn(`no Kubernetes Events: ${cluster.reason}`);
    return undefined;
  }
  const { pod, missing, ...server } = cluster;
  if (missing.length > 0)
    logger.warn(`Kubernetes Events: the manifest does not give ${missing.join(', ')}`, { pod });
  return createKubernetesEvents({
    pod,
    open: async () =>
      (await import('./adapters/kubernetes-client.ts')).createEventsApi({ ...server, version }),
    take: createAllowance(EVENT_RATE).take,
    onProblem: (message) => logger.warn(message, { sink: 'kubernetes' }),
  });
}

/** Puts the parts together; nothing runs yet. `seek` gets the assembly's own way to follow a process. */
export async function assemble(
  config: Config,
  version: string,
  mode: Mode,
  makeSeek: (assembly: Pick<Assembly, 'life' | 'logger'>) => FindAgent,
): Promise<Assembly> {
  const clock = systemClock;
  const logger = await createLogger({
    level: config.logLevel,
    format: config.logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json'),
  });
  const life: Assembly['life'] = (options) => follow(config, options);

  const history = new HistoryStore((atMs) => new Date(clock.wallMs() - clock.now() + atMs).toISOString());
  let collections: readonly GcRecord[] = [];
  const listeners = new Set<(message: StreamMessage) => void>();
  const metrics = createMetrics({
    version,
    status: () => guardian.status(),
    streams: () => http.streams(),
    probes: () => http.probes(),
  });
  const recorder = createPostMortemStore({
    dir: config.recordDir,
    lives: ({ pid, name }) => shortName(argsOf('/proc', pid), '') === name,
    onProblem: (error) => logger.warn(error.message),
  });
  const { webhookUrlFile } = config;
  const webhookUrl = webhookUrlFile === undefined ? config.webhookUrl : () => readWebhookUrl(webhookUrlFile);
  const webhook = webhookUrl === undefined ? undefined : createWebhook({ url: webhookUrl, version });
  // said now rather than with the first event; it may still come
  if (webhookUrlFile !== undefined)
    await readWebhookUrl(webhookUrlFile).catch((error: unknown) => logger.warn(messageOf(error)));
  const events = kubernetesEvents(config, version, logger);
  const notifier = createNotifier({
    sinks: [webhook, events].filter((sink) => sink !== undefined),
    retry,
    onResult: metrics.event,
    onProblem: (sink, message) => logger.warn(message, { sink }),
  });

  const { recordDir } = config;
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
    log: (level, message) => logger[level](message),
    recycled: metrics.recycled,
  });
  const signalRecord = createSignalRecord({
    dir: config.recordDir,
    clock,
    onProblem: (message) => logger.warn(message),
  });
  const reaches = () => import('./runtimes/registry.ts'); // 7 MiB that only an agent under pressure needs
  const relief = new PressureRemediation(
    {
      options: config,
      clock,
      reach: async (worker, maySignal) =>
        (await reaches()).runtimeClientOf(worker, {
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
      log: (level, message) => logger[level](message),
      collected(record) {
        metrics.collected(record);
        collections = withCollection(collections, record);
      },
      stalled: metrics.stalled,
      async keep({ extension, content }) {
        if (recordDir === undefined) return null;
        const file = await keepFile(recordDir, 'profile', `${stamp(clock.wallMs())}${extension}`);
        await file.write(content);
        await file.done();
        return file.path;
      },
    },
    recycler,
    config.gc === 'off' && config.profile === 'off' ? async () => {} : reaches,
    [createPreKillHook({ url: config.preKillHook, clock, status: () => guardian.status() })],
  );

  const guardian = new Guardian({
    options: mode.onAbsent ? { ...config, onAbsent: mode.onAbsent } : config,
    relief,
    constraints: [createInjectedRatio(config.injectedRatioFile, (problem) => logger.warn(problem))],
    advice: () => events?.advice() ?? [],
    seek: makeSeek({ life, logger }),
    history,
    clock,
    version,
    outlets: {
      emit(event) {
        logger.event(event);
        metrics.event('log', 'delivered');
        notifier.emit(event);
      },
      log: (level, message) => logger[level](message),
      stream(event, data) {
        if (listeners.size === 0) return;
        const message = { event, data: data() };
        for (const listener of listeners) listener(message);
      },
      observeTick: metrics.observeTick,
      readFailed: metrics.readFailed,
      transition: metrics.transition,
      restarted: metrics.restarted,
      died: recorder.record,
      flight: recorder.flight,
      flightDone: recorder.flightDone,
    },
  });

  const admission = new Admission(config, Math.random());
  const http = createHttpServer({
    onRequest: () => guardian.tickIfDue(),
    livez: () => guardian.ticking(),
    status: () => guardian.status(),
    statusVersion: () => guardian.version,
    retryAfterSeconds: () => retryAfterSeconds(guardian.judge.outlook, config),
    admit(weight) {
      const { level, blind, stuck, relieved, recycling, absent } = guardian.judge;
      const { ratio } = guardian;
      const input = { level, blind, stuck, relieved, recycling: recycling !== undefined || absent, ratio };
      const admitted = admission.admit(input, weight);
      metrics.admission(admitted);
      return {
        admitted,
        retryAfterSeconds: retryAfterSeconds(guardian.judge.outlook, config),
        reason: admitted ? '' : guardian.reason,
      };
    },
    page: PAGE,
    history: () =>
      historyReport({
        history: history.render(),
        thresholds: config,
        collections,
        postMortems: recorder.list(),
        version,
      }),
    postMortems: recorder.list,
    metrics,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onError: (error) => logger.warn(`a request failed: ${String(error)}`),
  });
  const admin = createAdminServer({
    collect: () => relief.collect(),
    profile: (seconds) => relief.profile(seconds),
    async snapshot() {
      if (recordDir === undefined)
        throw new SpillwayError('unavailable', 'there is nowhere to keep a heap snapshot', {
          hint: 'set --record-dir',
        });
      const file = await keepFile(recordDir, 'heap', `${stamp(clock.wallMs())}.heapsnapshot`);
      try {
        await relief.snapshot({
          room: (heapUsedBytes) => roomForSnapshot(recordDir, heapUsedBytes),
          write: (chunk) => file.write(chunk),
        });
        await file.done();
        return { file: file.path, bytes: file.bytes };
      } finally {
        await file.discard();
      }
    },
    token: config.adminToken,
    onError: (error) => logger.warn(`a request failed: ${messageOf(error)}`),
  });
  return { guardian, relief, admin, http, logger, notifier, recorder, life };
}
