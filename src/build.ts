import { randomUUID } from 'node:crypto';
import { totalmem } from 'node:os';
import { createNotifier, type Notifier } from './actions/notify.ts';
import { createRecorder, type Recorder } from './actions/recorder.ts';
import { createHttpServer, type HttpServer } from './adapters/http-server.ts';
import { createLogger, type Logger } from './adapters/logger.ts';
import { createMetrics } from './adapters/metrics.ts';
import { readProcessUsage } from './adapters/pidusage.ts';
import { retry } from './adapters/retry.ts';
import type { StreamMessage } from './adapters/status-stream.ts';
import { createWebhook } from './adapters/webhook.ts';
import type { Config } from './config/options.ts';
import { Admission } from './core/admission.ts';
import { HistoryStore } from './core/history.ts';
import type { AgentLife, Clock, Seek } from './core/ports.ts';
import { retryAfterSeconds } from './core/retry-after.ts';
import { Guardian } from './guardian.ts';
import { type AgentLifeOptions, startLife } from './sources/agent-life.ts';
import { argsOf, shortName } from './sources/process-table.ts';

/** A guardian with all it reads, does and tells. */
export interface Assembly {
  guardian: Guardian;
  http: HttpServer;
  logger: Logger;
  notifier: Notifier;
  recorder: Recorder;
  /** Follows a process with the sources of this machine. */
  life(options: Whom): AgentLife;
}

type Whom = Pick<AgentLifeOptions, 'pid' | 'restarts' | 'sameGroup'> & Partial<AgentLifeOptions>;

export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(fn, ms) {
    const timer = setTimeout(fn, ms);
    return { cancel: () => clearTimeout(timer) };
  },
  newId: randomUUID,
};

/** Follows a process with the sources of this machine. */
export function follow(config: Pick<Config, 'limit' | 'downwardLimit'>, whom: Whom): AgentLife {
  return startLife({
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

/** Puts the parts together; nothing runs yet. `seek` gets the assembly's own way to follow a process. */
export async function assemble(
  config: Config,
  version: string,
  makeSeek: (assembly: Pick<Assembly, 'life' | 'logger'>) => Seek,
): Promise<Assembly> {
  const clock = systemClock;
  const logger = await createLogger({
    level: config.logLevel,
    format: config.logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json'),
  });
  const life: Assembly['life'] = (options) => follow(config, options);

  const history = new HistoryStore((atMs) => new Date(clock.wallMs() - clock.now() + atMs).toISOString());
  const listeners = new Set<(message: StreamMessage) => void>();
  const metrics = createMetrics({ version, status: () => guardian.status(), streams: () => http.streams() });
  const recorder = createRecorder({
    dir: config.recordDir,
    lives: ({ pid, name }) => shortName(argsOf('/proc', pid), '') === name,
    onProblem: (error) => logger.warn(error.message),
  });
  const notifier = createNotifier({
    sinks: config.webhookUrl === undefined ? [] : [createWebhook({ url: config.webhookUrl, version })],
    retry,
    onResult: metrics.event,
    onProblem: (sink, message) => logger.warn(message, { sink }),
  });

  const guardian = new Guardian({
    options: config,
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
      const { level, blind, stuck } = guardian.judge;
      const admitted = admission.admit({ level, blind, stuck, ratio: guardian.ratio }, weight);
      metrics.admission(admitted);
      return {
        admitted,
        retryAfterSeconds: retryAfterSeconds(guardian.judge.outlook, config),
        reason: admitted ? '' : guardian.reason,
      };
    },
    history: () => history.render(),
    postMortems: recorder.list,
    metrics,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onError: (error) => logger.warn(`a request failed: ${String(error)}`),
  });
  return { guardian, http, logger, notifier, recorder, life };
}
