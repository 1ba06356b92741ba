import type { AdminServer } from './adapters/admin-server.ts';
import type { HttpServer } from './adapters/http-server.ts';
import { createLogger, type Logger } from './adapters/logger.ts';
import { createMetrics } from './adapters/metrics.ts';
import { follow, type ProcessRef, systemClock } from './compose/agent.ts';
import { type ComposedExporters, composeExporters } from './compose/exporters.ts';
import { type ComposedGuardian, composeGuardian } from './compose/guardian.ts';
import { composeHooks } from './compose/hooks.ts';
import { type Mode, modeOf, thisMachine } from './compose/machine.ts';
import { composeAdmin, composeHttp } from './compose/servers.ts';
import type { Config } from './config/options.ts';
import type { ConstraintSource } from './core/model/constraint.ts';
import type { GcRecord } from './core/model/gc-record.ts';
import type { Status } from './core/model/status.ts';
import type { AgentProcess, FindAgent, Remedy } from './core/ports/ports.ts';
import { retryAfterSeconds } from './core/pressure/retry-after.ts';
import { HistoryStore } from './core/report/history.ts';
import { historyReport, withCollection } from './core/report/history-report.ts';
import { AgentGate } from './remedies/agent-gate.ts';
import { createPreKillHook } from './remedies/pre-kill-hook.ts';
import type { HookServer } from './sources/hook/server.ts';
import { createInjectedRatio } from './sources/injected-ratio.ts';

/** A guardian with all it reads, does and reports to. */
export interface Assembly
  extends Pick<ComposedExporters, 'notifier' | 'recorder'>,
    Pick<ComposedGuardian, 'guardian' | 'remediation' | 'view'> {
  http: HttpServer;
  admin: AdminServer;
  hooks: HookServer;
  logger: Logger;
  /** Follows a process with the sources of this machine. */
  life(process: ProcessRef): AgentProcess;
}

/** Puts the parts together; nothing runs yet. `finder` gets the assembly's own way to follow a process. */
export async function assemble(
  config: Config,
  version: string,
  ownMode: Mode,
  finder: (assembly: Pick<Assembly, 'life' | 'logger'>) => FindAgent,
): Promise<Assembly> {
  const mode = modeOf(ownMode, config);
  const clock = systemClock;
  const format = config.logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json');
  const logger = await createLogger({ level: config.logLevel, format });
  const status = (): Status => view.status();
  const metrics = createMetrics({
    ...{ version, status },
    streams: () => http.streams(),
    probes: () => notice.kubeletProbes,
  });
  const reporting = await composeExporters(config, version, logger, metrics);
  const { exporters, notifier, recorder, advice, subscribe } = reporting;

  // beside the agent's memory, and beside collections, shedding and the recycling
  const onProblem = (problem: string) => logger.warn(problem);
  const constraints: ConstraintSource[] = [createInjectedRatio(config.injectedRatioFile, onProblem)];
  const hooks = composeHooks(config, mode.hook ?? {}, onProblem);
  const draining = () => {
    const reason = remediation.draining();
    return reason === null || !remediation.refuses
      ? null
      : { reason, retryAfterSeconds: retryAfterSeconds(judge.secondsToLimit, config) };
  };
  const remedies: Remedy[] = [
    createPreKillHook({ url: config.preKillHook, clock, status }),
    new AgentGate({
      ...{ hooks, draining, alone: mode.alone ?? false },
      ...{ gate: config.gate, thresholds: config, level: () => judge.level },
    }),
  ];

  let collections: readonly GcRecord[] = [];
  const collected = (record: GcRecord) => {
    collections = withCollection(collections, record);
  };
  const history = new HistoryStore((atMs) => new Date(clock.wallMs() - clock.now() + atMs).toISOString());
  const life: Assembly['life'] = (process) => follow(config, process);
  const findAgent = finder({ life, logger });
  const machine = thisMachine(config, mode, { clock, logger, hooks });
  const { guardian, judge, view, remediation, notice } = composeGuardian({
    ...{ options: config, mode, findAgent, machine, clock, exporters, history, metrics },
    ...{ constraints, remedies, advice, collected, version },
    requests: () => hooks.requests(),
  });
  const reports = {
    ...{ metrics, recorder, subscribe },
    history: () =>
      historyReport({
        history: history.render(),
        thresholds: config,
        postMortems: recorder.list(),
        ...{ collections, version },
      }),
  };
  const inFlight = async () => {
    const requests = hooks.requests();
    return requests ? requests.inFlight + requests.waiting : remediation.inFlight();
  };
  const http = composeHttp(
    config,
    { loop: guardian.loop, judge, view, clock, notice, inFlight },
    reports,
    logger,
  );
  const admin = composeAdmin(config, remediation, logger);
  return { guardian, remediation, view, admin, http, hooks, logger, notifier, recorder, life };
}
