import { sharedPlacement } from '../compose/hooks.ts';
import { assemble } from '../compose.ts';
import type { Config } from '../config/options.ts';
import { messageOf } from '../core/lib/errors.ts';
import { findAgent } from '../sources/find-agent.ts';
import type { ProcessCache } from '../sources/process-table.ts';
import { close, listen, restore } from './serve.ts';

/**
 * The sidecar: finds the agent among the processes it can see and guards it, life after life, until `ended` resolves.
 * @throws SpillwayError `listen`
 */
export async function guardCommand(config: Config, version: string, ended: Promise<string>): Promise<number> {
  const cache: ProcessCache = new Map();
  let followed: Followed | undefined;
  const assembly = await assemble(
    config,
    version,
    {
      restarted: restartedBy(config.podRestartPolicy),
      sameFiles: false,
      hook: sharedPlacement(config),
    },
    ({ life, logger }) =>
      (lives) => {
        try {
          const search = findAgent({
            procRoot: '/proc',
            selfPid: process.pid,
            selector: config.agent,
            cache,
          });
          if (search.kind !== 'found') return `${search.reason}; ${search.hint}`;
          const { pid, startTime, name, container } = search;
          const restarts = restartsOf(container, followed);
          if (search.remark && lives === 0) logger.warn(search.remark);
          const sameGroup = config.agent.kind === 'auto' || config.agent.kind === 'container';
          const found = life({ pid, startTime, name, restarts, sameGroup });
          followed = { container, restarts };
          return found;
        } catch (error) {
          return messageOf(error);
        }
      },
  );
  try {
    await restore(assembly, config);
    // the startup probe succeeds after it: the hook's file is there before the agent starts
    await assembly.hooks.start();
    assembly.guardian.start();
    await listen(assembly, config);
    assembly.logger.info(`ending: ${await ended}`);
  } finally {
    await close(assembly);
  }
  return 0;
}

interface Followed {
  /** `undefined` where its name is unknown. */
  container: string | undefined;
  restarts: number;
}

/**
 * Restarts of what is found in a container, after what was followed before. Another container is none: an init container that
 * runs after the sidecar looks like an agent at first.
 */
export function restartsOf(container: string | undefined, before: Followed | undefined): number {
  return before && before.container === container ? before.restarts + 1 : 0;
}

/** Whether a container that has ended is restarted, by the restart policy of its pod; `null`: nobody said which that is. */
export function restartedBy(policy: Config['podRestartPolicy']): boolean | null {
  // OnFailure restarts after a failure: an agent that ends gracefully has not failed
  return policy === undefined ? null : policy === 'Always';
}
