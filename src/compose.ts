import type { AdminServer } from './adapters/admin-server.ts';
import type { HttpServer } from './adapters/http-server.ts';
import { createLogger, type Logger } from './adapters/logger.ts';
import { createMetrics } from './adapters/metrics.ts';
import { follow, type ProcessRef, systemClock } from './compose/agent.ts';
import { type ComposedExporters, composeExporters } from './compose/exporters.ts';
import { composeRemediation, type Mode } from './compose/remedies.ts';
import { composeAdmin, composeHttp } from './compose/servers.ts';
import type { Config } from './config/options.ts';
import type { ConstraintSource } from './core/model/constraint.ts';
import type { GcRecord } from './core/model/gc-record.ts';
import type { AgentProcess, FindAgent, Remedy } from './core/ports/ports.ts';
import { HistoryStore } from './core/report/history.ts';
import { historyReport, withCollection } from './core/report/history-report.ts';
import { Guardian } from './guardian.ts';
import { createPreKillHook } from './remedies/pre-kill-hook.ts';
import type { PressureRemediation } from './remedies/remediation.ts';
import { createInjectedRatio } from './sources/injected-ratio.ts';

/** A guardian with all it reads, does and reports to. */
export interface Assembly extends Pick<ComposedExporters, 'notifier' | 'recorder'> {
  guardian: Guardian;
  remediation: PressureRemediation;
  http: HttpServer;
  admin: AdminServer;
  logger: Logger;
  /** Follows a process with the sources of this machine. */
  life(process: ProcessRef): AgentProcess;
}

/** Puts the parts together; nothing runs yet. `makeSeek` gets the assembly's own way to follow a process. */
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
  const warn = (problem: string) => logger.warn(problem);
  const status = () => guardian.status();
  const metrics = createMetrics({
    version,
    status,
    streams: () => http.streams(),
    probes: () => http.probes(),
  });
  const { exporters, notifier, recorder, advice, subscribe } = await composeExporters(
    config,
    version,
    logger,
    metrics,
  );

  // what may run out beside the agent's memory, and what may be done beside collections, shedding and the recycling
  const constraints: ConstraintSource[] = [createInjectedRatio(config.injectedRatioFile, warn)];
  const remedies: Remedy[] = [createPreKillHook({ url: config.preKillHook, clock, status })];

  let collections: readonly GcRecord[] = [];
  const collected = (record: GcRecord) => {
    collections = withCollection(collections, record);
  };
  const remediation = composeRemediation(config, mode, clock, logger, metrics, collected, remedies);
  const history = new HistoryStore((atMs) => new Date(clock.wallMs() - clock.now() + atMs).toISOString());
  const life: Assembly['life'] = (process) => follow(config, process);
  const guardian = new Guardian({
    options: mode.onAbsent ? { ...config, onAbsent: mode.onAbsent } : config,
    findAgent: makeSeek({ life, logger }),
    exporters,
    ...{ remediation, constraints, advice, history, clock, version },
  });
  const http = composeHttp(config, guardian, metrics, logger, { recorder, subscribe }, () =>
    historyReport({
      history: history.render(),
      thresholds: config,
      postMortems: recorder.list(),
      ...{ collections, version },
    }),
  );
  const admin = composeAdmin(config, remediation, logger);
  return { guardian, remediation, admin, http, logger, notifier, recorder, life };
}
