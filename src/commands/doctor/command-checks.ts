import type { Config } from '../../config/options.ts';
import { heapLimit } from '../../core/gc/heap-limit.ts';
import { formatAddress } from '../../core/lib/address.ts';
import type { Reading } from '../../core/model/reading.ts';
import { NEEDS_OPEN } from '../../runtimes/node/probe.ts';
import { inspectFlags } from '../../sources/inspector/flags.ts';
import { heapLimitCheck, naming } from './agent-checks.ts';
import { type Check, fail, type Outcome, pass, warn } from './check.ts';
import { isTaken } from './listening.ts';

const OTHERS = 'Python from 3.14 or with spillway_hook, a JVM, Go with pprof';

/** What could be done in a command that is started from here: wrap mode, where nothing runs yet. */
export async function commandChecks(
  config: Config,
  env: NodeJS.ProcessEnv,
  reading: Reading,
): Promise<Check[]> {
  const way = await wayIntoNode(config, env);
  return [
    {
      check: 'garbage collection',
      ...(config.gc === 'off' ? fail('switched_off', 'switched off', 'set --gc auto') : way),
    },
    {
      check: 'growth profile',
      ...naming(config, way, 'functions, types or classes, depending on the runtime'),
    },
    { check: 'graceful recycle', ...ending(config) },
    ...heapLimitOfNode(env, reading),
  ];
}

/** What a command would meet if it runs Node: whether it does is not known yet. */
function heapLimitOfNode(env: NodeJS.ProcessEnv, reading: Reading): Check[] {
  const { bytes, set } = heapLimit([], env['NODE_OPTIONS'] ?? '', reading.limitBytes);
  return heapLimitCheck(bytes, set, reading).map((check) => ({
    ...check,
    status: check.status === 'fail' ? 'warn' : check.status,
    detail: `if it runs Node: ${check.detail}`,
  }));
}

/** Same user, same network: what may be in the way is what every Node program here would meet. */
async function wayIntoNode({ gc }: Config, env: NodeJS.ProcessEnv): Promise<Outcome> {
  if (process.platform !== 'linux') return fail('needs_linux', 'needs /proc of Linux', 'run it on Linux');
  const options = env['NODE_OPTIONS'] ?? '';
  const { host, port, atStart } = inspectFlags([], options);
  if (!atStart && gc === 'inspect-only') return warn('inspect_only', `of ${OTHERS}`, NEEDS_OPEN);
  const switchedOff = /(?:^|\s)(--disable-sigusr1|--(?:experimental-)?permission)(?=\s|$)/.exec(options)?.[1];
  if (!atStart && switchedOff)
    return warn(
      'sigusr1_disabled',
      `of ${OTHERS}; not of Node: NODE_OPTIONS has ${switchedOff}`,
      `remove ${switchedOff}`,
    );
  if (await isTaken({ host, port }))
    return warn(
      'port_taken',
      `of ${OTHERS}; not of Node: ${formatAddress({ host, port })}, the address of its inspector, is in use`,
      'give the command an inspector port of its own: NODE_OPTIONS=--inspect-port=PORT',
    );
  return pass(`of Node, ${OTHERS}`);
}

function ending({ recycle, restart }: Config): Outcome {
  if (recycle === 'off') return fail('switched_off', 'switched off', 'set --recycle auto');
  if (recycle === 'on') return pass('SIGTERM, whether the command handles it or not');
  return restart === 'no'
    ? fail('no_restart_policy', 'no restart policy', 'set --restart on-failure, or --recycle on')
    : pass('a command that handles SIGTERM');
}
