import { randomUUID } from 'node:crypto';
import { type Child, type SignalSource, startChild, startFailureStatus } from '../actions/wrap/child.ts';
import { endLeftovers } from '../actions/wrap/leftovers.ts';
import { makePrivateCgroup, type PrivateCgroup, sweepStale } from '../actions/wrap/private-cgroup.ts';
import { startReaper } from '../actions/wrap/reaper.ts';
import { type Assembly, assemble } from '../build.ts';
import type { Config } from '../config/options.ts';
import { messageOf } from '../core/errors.ts';
import type { ExitFacts } from '../core/ports.ts';
import { formatBytes } from '../core/units.ts';
import { close, listen, restore } from './serve.ts';

/**
 * Wrap mode: starts the command, guards it, passes signals on, and ends with its status. Nothing of the run is left
 * behind: neither processes nor the cgroup made for `--limit`.
 * @returns the command's status; 126 or 127 when it cannot be started
 * @throws SpillwayError `listen`, before the command is started
 */
export async function runCommand(
  config: Config,
  version: string,
  commandLine: readonly string[],
  { env, signals }: { env: NodeJS.ProcessEnv; signals: SignalSource },
): Promise<number> {
  const [command = '', ...args] = commandLine;
  const runId = randomUUID();
  let child: Child | undefined;
  let exit: ExitFacts | undefined;
  let group: PrivateCgroup | undefined;
  const assembly = await assemble(config, version, ({ life }) => (restarts) => {
    if (!child || exit) return 'the command is not running';
    const { pid } = child;
    return life({
      pid,
      restarts,
      privateGroup: group !== undefined,
      sameGroup: group !== undefined,
      child: { exited: () => exit },
    });
  });
  const { guardian, logger } = assembly;

  try {
    await restore(assembly);
    const address = await listen(assembly, config);
    for (const line of await sweepStale()) logger.info(line);
    group = privateGroup(config, logger);
    const reaper = await startReaper({
      runId,
      ...(group ? { cgroup: group } : {}),
      onLost: (why) => logger.warn(why),
    });
    if (typeof reaper === 'string') logger.warn(reaper);
    try {
      child = await startChild({
        command,
        args,
        env: { ...env, SPILLWAY_RUN: runId, SPILLWAY_URL: `http://127.0.0.1:${address.port}` },
        signals,
        ...(group ? { cgroup: group } : {}),
        onProblem: (message) => logger.warn(message),
        onExit({ code, signal }) {
          exit = { exitCode: code, signal };
          guardian.stop();
        },
      });
      if (typeof reaper !== 'string') reaper.watch(child.pid);
      guardian.start();
      const { status } = await child.exited;
      return status;
    } catch (error) {
      if (child) throw error;
      logger.error(messageOf(error), error instanceof Error && 'mend' in error ? { mend: error.mend } : {});
      return startFailureStatus(error);
    } finally {
      const left = await endLeftovers({ runId, ...(group ? { groupPids: () => group?.pids() ?? [] } : {}) });
      if (left.length > 0) logger.warn(`could not end what the command left running: pid ${left.join(', ')}`);
      await group?.remove().catch((error: unknown) => logger.warn(messageOf(error)));
      if (typeof reaper !== 'string') await reaper.done();
    }
  } finally {
    await close(assembly);
  }
}

/** With `--limit`: a cgroup that enforces it, where one may be made. */
function privateGroup(config: Config, logger: Assembly['logger']): PrivateCgroup | undefined {
  if (config.limit === undefined || process.platform !== 'linux') return undefined;
  const { group, reasons } = makePrivateCgroup({ limitBytes: config.limit });
  if (group) logger.info(`the kernel enforces ${formatBytes(config.limit)} in ${group.directory}`);
  else
    logger.warn(`${formatBytes(config.limit)} is guarded, not enforced: no cgroup could be made`, {
      reasons,
    });
  return group;
}
