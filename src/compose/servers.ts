import { fileURLToPath } from 'node:url';
import { type AdminServer, createAdminServer } from '../adapters/admin-server.ts';
import { createHttpServer, type HttpServer } from '../adapters/http-server.ts';
import type { Logger } from '../adapters/logger.ts';
import type { Metrics } from '../adapters/metrics.ts';
import type { Config } from '../config/options.ts';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';
import type { Clock } from '../core/ports/ports.ts';
import { Admission } from '../core/pressure/admission.ts';
import { gateMemoryOf } from '../core/pressure/gate/memory-room.ts';
import { HeldAdmission } from '../core/pressure/held-admission.ts';
import { retryAfterSeconds } from '../core/pressure/retry-after.ts';
import type { HistoryReport } from '../core/report/history-report.ts';
import { keepSnapshot } from '../exporters/profile-files.ts';
import type { Guardian } from '../guardian.ts';
import type { PressureRemediation } from '../remedies/remediation.ts';
import type { ComposedExporters } from './exporters.ts';
import type { ComposedGuardian } from './guardian.ts';

/** The page at `/`: the build says where it lies, as seen from the bundle's chunk that this becomes part of. */
const PAGE = fileURLToPath(new URL(process.env['SPILLWAY_PAGE'] ?? '../../dist/page.html', import.meta.url));

/** What clients read beside the status. */
interface Reports extends Pick<ComposedExporters, 'recorder' | 'subscribe'> {
  metrics: Metrics;
  history(): HistoryReport;
}

/** What answers come from. */
interface HttpParts extends Pick<Guardian, 'loop'>, Pick<ComposedGuardian, 'judge' | 'view' | 'notice'> {
  clock: Clock;
  /** Requests in the agent; `null` where that is not known. */
  inFlight(): Promise<number | null>;
}

/** What reads: probes, metrics, status, page. */
export function composeHttp(
  config: Config,
  { loop, judge, view, clock, notice, inFlight }: HttpParts,
  { metrics, recorder, subscribe, history }: Reports,
  logger: Logger,
): HttpServer {
  const admission = new Admission(config, Math.random());
  const retryAfter = () => retryAfterSeconds(judge.secondsToLimit, config);
  const counted = (admitted: boolean, seconds: number) => {
    metrics.admission(admitted);
    return { admitted, retryAfterSeconds: seconds, reason: admitted ? '' : view.status().reason };
  };
  const held = new HeldAdmission({
    clock,
    memory() {
      loop.tickIfDue();
      const { reading } = view;
      return reading ? gateMemoryOf(reading, config) : null;
    },
    inFlight,
    closedSeconds() {
      const isOpen = judge.recycling === undefined && !judge.absent && (!judge.blind || judge.ready);
      return isOpen ? null : retryAfter();
    },
  });
  return createHttpServer({
    onRequest: () => loop.tickIfDue(),
    onReadiness: (ready, byKubelet) => notice.probed(ready, byKubelet, clock.now()),
    livez: () => loop.healthy,
    status: () => view.status(),
    statusVersion: () => view.version,
    retryAfterSeconds: retryAfter,
    admit(weight) {
      const { level, blind, stuck, relieved, recycling, absent } = judge;
      const { ratio } = view;
      const input = { level, blind, stuck, relieved, recycling: recycling !== undefined || absent, ratio };
      return counted(admission.admit(input, weight), retryAfter());
    },
    wait: (weight, maxWaitMs, answer) =>
      held.wait({
        ...{ weight, maxWaitMs },
        answer: (admitted, seconds) => answer(counted(admitted, seconds)),
      }),
    page: PAGE,
    history,
    postMortems: recorder.list,
    metrics,
    subscribe,
    onError: (error) => logger.warn(`a request failed: ${String(error)}`),
  });
}

/** What acts on the agent, at an address of its own. */
export function composeAdmin(
  { recordDir, adminToken }: Config,
  remediation: PressureRemediation,
  logger: Logger,
): AdminServer {
  return createAdminServer({
    collect: () => remediation.collect(),
    profile: (seconds) => remediation.profile(seconds),
    async snapshot() {
      if (recordDir !== undefined)
        return keepSnapshot(recordDir, Date.now(), (file) => remediation.snapshot(file));
      throw new SpillwayError('unavailable', 'there is no directory for a heap snapshot', {
        hint: 'set --record-dir',
      });
    },
    token: adminToken,
    onError: (error) => logger.warn(`a request failed: ${messageOf(error)}`),
  });
}
