import type { Logger } from '../adapters/logger.ts';
import type { Metrics } from '../adapters/metrics.ts';
import { createAllowance } from '../adapters/rate-limit.ts';
import { retry } from '../adapters/retry.ts';
import type { StreamMessage } from '../adapters/status-stream.ts';
import { createWebhook } from '../adapters/webhook.ts';
import type { Config } from '../config/options.ts';
import { messageOf } from '../core/lib/errors.ts';
import type { Advised } from '../core/model/notice.ts';
import type { Exporters } from '../core/ports/ports.ts';
import { createKubernetesEvents, type KubernetesEventsSink } from '../exporters/kubernetes-events/sink.ts';
import { createNotifier, type Notifier } from '../exporters/notifier.ts';
import { createPostMortemStore, type PostMortemStore } from '../exporters/post-mortem-store.ts';
import { findCluster } from '../sources/kubernetes-pod.ts';
import { argsOf, shortName } from '../sources/process-table.ts';
import { readWebhookUrl } from '../sources/webhook-url.ts';

/** Events of one object that client-go sends at once, and how often one more. */
const EVENT_RATE = { burst: 25, everyMs: 300_000 };

/** Where events, reports and the stream go. */
export interface ComposedExporters {
  exporters: Exporters;
  notifier: Notifier;
  recorder: PostMortemStore;
  advice(): Advised[];
  subscribe(listener: (message: StreamMessage) => void): () => void;
}

export async function composeExporters(
  config: Config,
  version: string,
  logger: Logger,
  metrics: Metrics,
): Promise<ComposedExporters> {
  const listeners = new Set<(message: StreamMessage) => void>();
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
  const exporters: Exporters = {
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
  };
  return {
    exporters,
    notifier,
    recorder,
    advice: () => events?.advice() ?? [],
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Kubernetes Events, where they are wanted and the API server can be reached. */
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
      (await import('../adapters/kubernetes-client.ts')).createEventsApi({ ...server, version }),
    take: createAllowance(EVENT_RATE).take,
    onProblem: (message) => logger.warn(message, { sink: 'kubernetes' }),
  });
}
