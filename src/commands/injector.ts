import { setTimeout as sleep } from 'node:timers/promises';
import {
  examine,
  makeAuthority,
  makeServing,
  pairValidity,
  trustedAuthorities,
} from '../adapters/certificates.ts';
import type { ApiServer } from '../adapters/kubernetes-https.ts';
import { createLogger, type Logger, type LogLevel } from '../adapters/logger.ts';
import { createMeters, type Meters } from '../adapters/metrics.ts';
import { createBoundsReader } from '../adapters/namespace-bounds.ts';
import { createWebhookCertificateStore } from '../adapters/webhook-certificate-store.ts';
import { createWebhookServer, type WebhookServer } from '../adapters/webhook-server.ts';
import { ANNOTATION_OPTIONS, readInjectConfig } from '../config/inject-config.ts';
import { configError } from '../config/problems.ts';
import type { KeyPair } from '../core/inject/certificate.ts';
import type { InjectConfig } from '../core/inject/config.ts';
import { INJECTOR_METRICS, type InjectorMetric } from '../core/inject/injector-metrics.ts';
import { notInjectedLine } from '../core/inject/not-injected.ts';
import { answerReview, namespaceIn, REVIEW_RESULTS } from '../core/inject/review.ts';
import { type Address, formatAddress } from '../core/lib/address.ts';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';
import { CertificateKeeper } from '../injector/certificate-keeper.ts';
import { readCertificateFiles } from '../sources/certificate-files.ts';

/** Mounted files are looked at this often: the kubelet itself brings changes within a minute or so. */
const FILES_MS = 5000;
/** From un-ready to the end, while requests still come: time for the Service's endpoints to move. */
const DRAIN_MS = 5000;
/** For what is under way at the end. */
const CLOSE_MS = 5000;
const FLUSH_MS = 500;

/** What `spillway injector` was asked for. */
export interface InjectorOptions {
  listen: Address;
  /** Path of an `InjectConfig`; looked at again while running. */
  sidecar?: string | undefined;
  /** The certificate: from files, or made and kept in a Secret. */
  certificate: { directory: string } | KeptCertificate;
  /** Who knows what namespaces have room for; where there is none, every pod is injected. */
  apiServer?: ApiServer | undefined;
  logLevel: LogLevel;
  logFormat: 'json' | 'pretty';
  /** Default: 5 s. */
  drainMs?: number;
  /** Between two looks at files and at the Secret; default: 5 s and 10 s. */
  checkMs?: number;
}

/** Where the certificate that it makes itself is kept. */
export interface KeptCertificate {
  namespace: string;
  secret: string;
  /** Name of the MutatingWebhookConfiguration. */
  configuration: string;
  /** Name of the Service as the API server calls it: `spillway-injector.spillway.svc`. */
  service: string;
  apiServer: ApiServer;
}

/**
 * The admission webhook, until `ended` resolves.
 * @throws SpillwayError `config` when the sidecar's configuration is wrong at the start; `listen`
 */
export async function injectorCommand(
  options: InjectorOptions,
  version: string,
  ended: Promise<string>,
): Promise<number> {
  const read = await readInjectConfig(version, options.sidecar);
  if (!read.ok) throw configError(read.problems);
  const logger = await createLogger({ level: options.logLevel, format: options.logFormat });
  const meters = createMeters<InjectorMetric>(version, INJECTOR_METRICS);
  for (const result of REVIEW_RESULTS) meters.count('spillway_injector_admissions_total', { result }, 0);
  meters.set('spillway_injector_configuration_valid', 1);

  const running = { version, meters, logger };
  const sidecar = sidecarConfig(read.config, options, running);
  const bounds =
    options.apiServer &&
    createBoundsReader(options.apiServer, version, (problem) =>
      logger.warn(
        `the quotas of namespaces are unknown, and pods are injected without a check of them: ${problem}`,
      ),
    );
  // so that probes are answered before there is a right one: kubelets do not verify
  const server = createWebhookServer(
    {
      async answer(review) {
        const startMs = performance.now();
        const namespace = namespaceIn(review);
        const left = namespace === undefined ? undefined : await bounds?.read(namespace);
        const answer = answerReview(review, sidecar.config, ANNOTATION_OPTIONS, left);
        if (!answer) return undefined;
        const text = JSON.stringify(answer.review);
        meters.count('spillway_injector_admissions_total', { result: answer.result });
        meters.observe('spillway_injector_admission_duration_seconds', (performance.now() - startMs) / 1000);
        const line = notInjectedLine(review, answer);
        if (line !== undefined) logger.warn(line);
        return text;
      },
      unready: () => certificate.unready(),
      metrics: {
        contentType: meters.contentType,
        render() {
          meters.set('spillway_injector_ready', certificate.unready() === undefined ? 1 : 0);
          return meters.render();
        },
      },
      refused: (status) =>
        meters.count('spillway_injector_refused_requests_total', { status: String(status) }),
      onError: (error) => logger.error(`a review failed: ${messageOf(error)}`, { err: error }),
    },
    await makeAuthority(Date.now()),
  );
  const certificate = certificateOf(options, running, server);
  const files = new AbortController();
  try {
    logger.info(`listening on https://${formatAddress(await server.listen(options.listen))}`);
    certificate.start();
    void sidecar.follow(files.signal);
    logger.info(`ending: ${await ended}`);
    server.drain();
    await sleep(options.drainMs ?? DRAIN_MS);
  } finally {
    files.abort();
    await certificate.stop();
    await server.close(CLOSE_MS);
    bounds?.close();
    await logger.flush(FLUSH_MS);
  }
  return 0;
}

/** What all parts of a running injector use. */
interface Running {
  version: string;
  meters: Meters<InjectorMetric>;
  logger: Logger;
}

/** What sees to the certificate. */
interface Certificate {
  start(): void;
  stop(): Promise<void>;
  /** Why it is not there yet, in words. */
  unready(): string | undefined;
}

function certificateOf(
  { certificate, checkMs }: InjectorOptions,
  { version, meters, logger }: Running,
  server: WebhookServer,
): Certificate {
  const serve = (pair: KeyPair) => {
    const validity = pairValidity(pair);
    if (!validity) throw new SpillwayError('read', 'certificate and key do not match, or are invalid');
    server.serve(pair);
    meters.set('spillway_injector_certificate_expiry_timestamp_seconds', validity.untilMs / 1000);
    logger.info(`certificate: valid until ${new Date(validity.untilMs).toISOString()}`);
  };
  if ('directory' in certificate) return certificateFromFiles(certificate.directory, serve, logger, checkMs);
  const store = createWebhookCertificateStore(certificate.apiServer, certificate, version);
  const keeper = new CertificateKeeper({
    store,
    examine: (set) => examine(set, certificate.service),
    makeAuthority,
    makeServing: (authority, nowMs) => makeServing(certificate.service, authority, nowMs),
    trustedAuthorities,
    serve,
    wallMs: Date.now,
    log: (level, message) => logger[level](message),
    ...(checkMs === undefined ? {} : { checkMs }),
  });
  return {
    start: () => keeper.start(),
    async stop() {
      await keeper.stop();
      store.close();
    },
    unready: () => (keeper.ready ? undefined : 'the API server does not trust it yet'),
  };
}

/** A certificate of somebody else's making: served as it is, also when it changes; a bad one is refused and the old one kept. */
function certificateFromFiles(
  directory: string,
  serve: (pair: KeyPair) => void,
  logger: Logger,
  checkMs = FILES_MS,
): Certificate {
  const ended = new AbortController();
  let served: string | undefined;
  let said = '';
  const look = async () => {
    try {
      const pair = await readCertificateFiles(directory);
      const text = pair.certificate + pair.key;
      if (text !== served) serve(pair);
      [served, said] = [text, ''];
    } catch (error) {
      const text = messageOf(error);
      if (text !== said)
        logger.warn(`certificate: ${text}${served === undefined ? '' : '; the old one stays in use'}`);
      said = text;
    }
  };
  return {
    start: () => void every(checkMs, look, ended.signal),
    stop: async () => ended.abort(),
    unready: () => (served === undefined ? `there is no certificate in ${directory}` : undefined),
  };
}

/** What pods get. */
interface SidecarConfig {
  /** In force now. */
  readonly config: InjectConfig;
  /** Reads it again whenever it may have changed, until `signal` aborts. */
  follow(signal: AbortSignal): Promise<void>;
}

/** The sidecar's configuration; a bad one is refused and the old one kept. */
function sidecarConfig(
  atStart: InjectConfig,
  { sidecar, checkMs = FILES_MS }: InjectorOptions,
  { version, meters, logger }: Running,
): SidecarConfig {
  let config = atStart;
  let said = '';
  const look = async () => {
    const read = await readInjectConfig(version, sidecar);
    const text = read.ok ? '' : configError(read.problems).message;
    meters.set('spillway_injector_configuration_valid', read.ok ? 1 : 0);
    if (text !== said && text !== '') logger.warn(`the old configuration stays in use: ${text}`);
    said = text;
    if (!read.ok || JSON.stringify(read.config) === JSON.stringify(config)) return;
    config = read.config;
    logger.info('the configuration is reloaded and applies to new pods');
  };
  return {
    get config() {
      return config;
    },
    async follow(signal) {
      if (sidecar !== undefined) await every(checkMs, look, signal);
    },
  };
}

/** At once and then again, each time after the last is done. */
async function every(ms: number, look: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await look();
    await sleep(ms, undefined, { signal }).catch(() => {});
  }
}
