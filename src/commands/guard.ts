import { assemble } from '../build.ts';
import type { Config } from '../config/options.ts';
import { messageOf } from '../core/errors.ts';
import { findAgent } from '../sources/find-agent.ts';
import type { ProcessCache } from '../sources/process-table.ts';
import { close, listen, restore } from './serve.ts';

/**
 * The sidecar: finds the agent among the processes it can see and guards it, life after life, until `ended` resolves.
 * @throws SpillwayError `listen`
 */
export async function guardCommand(config: Config, version: string, ended: Promise<string>): Promise<number> {
  const cache: ProcessCache = new Map();
  const assembly = await assemble(
    config,
    version,
    { restarted: true, sameFiles: false },
    ({ life, logger }) =>
      (lives) => {
        try {
          const search = findAgent({
            procRoot: '/proc',
            selfPid: process.pid,
            selector: config.agent,
            cache,
          });
          if (search.kind !== 'found') return `${search.reason}; ${search.mend}`;
          const { pid, startTime, name } = search;
          if (search.remark && lives === 0) logger.warn(search.remark);
          const sameGroup = config.agent.kind === 'auto' || config.agent.kind === 'container';
          return life({ pid, startTime, name, restarts: lives, sameGroup });
        } catch (error) {
          return messageOf(error);
        }
      },
  );
  try {
    await restore(assembly);
    assembly.guardian.start();
    await listen(assembly, config);
    assembly.logger.info(`ending: ${await ended}`);
  } finally {
    await close(assembly);
  }
  return 0;
}
