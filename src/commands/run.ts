import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HOOK_FILE } from '../compose/hooks.ts';
import { type Assembly, assemble } from '../compose.ts';
import type { Config } from '../config/options.ts';
import { localUrl } from '../core/lib/address.ts';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';
import { formatBytes, formatSeconds } from '../core/lib/units.ts';
import type { ExitFacts } from '../core/model/process.ts';
import { RestartPolicy } from '../core/recycle/restart-policy.ts';
import {
  type Child,
  type ChildExit,
  type SignalSource,
  startChild,
  startFailureStatus,
} from '../wrap/child.ts';
import { prepareHook } from '../wrap/hook-environment.ts';
import { leaveProcessOne } from '../wrap/init.ts';
import { endLeftovers } from '../wrap/leftovers.ts';
import { makePrivateCgroup, type PrivateCgroup, sweepStale } from '../wrap/private-cgroup.ts';
import { startReaper } from '../wrap/reaper.ts';
import { supervise } from '../wrap/supervise.ts';
import { close, listen, restore } from './serve.ts';

/** A life is found within 200 ms and its end at once; after this time the guardian is hung. */
const NOTICE_MS = 1000;

/**
 * Wrap mode: starts the command, guards it, passes signals on, starts it again where that is asked for, and ends with its
 * last status. The guardian lives on from one life to the next. Nothing of the run is left behind: neither processes nor
 * the cgroup made for `--limit`.
 * @returns the command's status; 126 or 127 when it cannot be started
 * @throws SpillwayError `listen`, before the command is started
 */
export async function runCommand(
  config: Config,
  version: string,
  commandLine: readonly string[],
  { env, signals, argv }: { env: NodeJS.ProcessEnv; signals: SignalSource; argv: readonly string[] },
): Promise<number> {
  const uncollected = leaveProcessOne(argv);
  const [command = '', ...args] = commandLine;
  const { SPILLWAY_ADMIN_TOKEN: _secret, ...passedOn } = env; // it is the guardian's own
  const runId = randomUUID();
  let current: Child | undefined;
  /** The life that the guardian has begun to follow. */
  let followed: Child | undefined;
  const isFollowed = () => current !== undefined && current === followed;
  let group: PrivateCgroup | undefined;
  const { restart } = config;
  const hook =
    config.hook === 'off' ? '' : prepareHook(HOOK_FILE, { env, command: commandLine, given: config.hookDir });
  const place = typeof hook === 'string' ? undefined : hook;
  const mode = {
    restarted: restart === 'no' ? null : true,
    sameFiles: true,
    onAbsent: 'unready',
    hook: { directory: place?.directory },
    alone: env['KUBERNETES_SERVICE_HOST'] === undefined, // a Deployment may have more of them
  } as const;
  const assembly = await assemble(config, version, mode, ({ life }) => (restarts) => {
    const its = current;
    // one that has ended before it was seen is followed all the same: its end has to be reported
    if (!its || (its.exit && isFollowed())) return 'the command is not running';
    followed = its;
    return life({
      pid: its.pid,
      restarts,
      privateGroup: group !== undefined,
      sameGroup: group !== undefined,
      child: { exited: () => its.exit && exitFacts(its.exit) },
    });
  });
  const { guardian, remediation, view, logger } = assembly;
  if (uncollected !== undefined) logger.warn(uncollected);
  if (typeof hook === 'string' && hook !== '') logger.info(`no hook in the command: ${hook}`);

  try {
    await restore(assembly, config);
    const address = await listen(assembly, config);
    await assembly.hooks.start();
    for (const line of await sweepStale()) logger.info(line);
    group = privateGroup(config, logger);
    const reaper = await startReaper({
      runId,
      ...(group ? { cgroup: group } : {}),
      onLost: (why) => logger.warn(why),
    });
    if (typeof reaper === 'string') logger.warn(reaper);

    const environment = assembly.hooks.listening ? place?.environment : {};
    const start = async () => {
      const child = await startChild({
        command,
        args,
        env: { ...passedOn, SPILLWAY_RUN: runId, SPILLWAY_URL: localUrl(address), ...environment },
        signals,
        ...(group ? { cgroup: group } : {}),
        onProblem: (message) => logger.warn(message),
      });
      if (typeof reaper !== 'string') reaper.watch(child.pid);
      const first = current === undefined;
      current = child;
      if (first) guardian.start();
      else guardian.loop.tickNow();
      void child.exited.then(() => guardian.loop.tickNow());
      return child;
    };
    const clear = async () => {
      const left = await endLeftovers({ runId, ...(group ? { groupPids: () => group?.pids() ?? [] } : {}) });
      if (left.length > 0)
        logger.warn(`leftover processes of the command do not end: pid ${left.join(', ')}`);
    };
    /** Waits until the guardian has seen the life, and its end. */
    const noticed = async () => {
      const giveUpMs = performance.now() + NOTICE_MS;
      while (performance.now() < giveUpMs) {
        if (isFollowed() && view.status().agent?.pid !== current?.pid) return;
        await sleep(10);
      }
    };

    try {
      const { status } = await supervise({
        policy: new RestartPolicy(restart),
        signals,
        start,
        ending: (signal) => remediation.standBack(`${signal} was forwarded to it`),
        // a life too short to be followed was not sent SIGTERM; the one before it was
        recycled: () => isFollowed() && remediation.terminated,
        async between({ code, signal }, waitMs) {
          await Promise.all([noticed(), clear()]);
          const when = waitMs > 0 ? `in ${formatSeconds(waitMs / 1000)}` : 'at once';
          logger.warn(`the command exited (${signal ?? `status ${code}`}) and restarts ${when}`);
        },
        chance: Math.random,
      });
      if (!isFollowed()) await noticed();
      guardian.stop();
      return status;
    } catch (error) {
      if (!(error instanceof SpillwayError)) throw error;
      logger.error(error.message, { hint: error.hint });
      return startFailureStatus(error);
    } finally {
      await clear();
      await group?.remove().catch((error: unknown) => logger.warn(messageOf(error)));
      if (typeof reaper !== 'string') await reaper.done();
    }
  } finally {
    await close(assembly);
    place?.remove();
  }
}

function exitFacts({ code, signal }: ChildExit): ExitFacts {
  return { exitCode: code, signal };
}

/** With `--limit`: a cgroup that enforces it, where one may be made. */
function privateGroup(config: Config, logger: Assembly['logger']): PrivateCgroup | undefined {
  if (config.limit === undefined || process.platform !== 'linux') return undefined;
  const { group, reasons } = makePrivateCgroup({ limitBytes: config.limit });
  if (group) logger.info(`the kernel enforces ${formatBytes(config.limit)} in ${group.directory}`);
  else
    logger.warn(`${formatBytes(config.limit)} is monitored, not enforced: no cgroup could be created`, {
      reasons,
    });
  return group;
}
