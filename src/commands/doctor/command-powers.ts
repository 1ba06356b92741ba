import type { Config } from '../../config/options.ts';
import { heapLimit } from '../../core/gc/heap-limit.ts';
import type { Reading } from '../../core/model/reading.ts';
import { inspectFlags } from '../../sources/inspector/flags.ts';
import { heapLimitPower, naming } from './agent-powers.ts';
import { isTaken } from './listening.ts';
import { type Ability, no, type Power, partly, yes } from './power.ts';
import { NEEDS_OPEN } from './way-in.ts';

const OTHERS = 'Python from 3.14 or with spillway_hook, a JVM, Go with pprof';

/** What could be done in a command that is started from here: wrap mode, where nothing runs yet. */
export async function commandPowers(
  config: Config,
  env: NodeJS.ProcessEnv,
  reading: Reading,
): Promise<Power[]> {
  const way = await wayIntoNode(config, env);
  return [
    {
      power: 'collect garbage',
      ...(config.gc === 'off' ? no('switched off', 'set --gc auto') : way),
    },
    { power: 'name what grows', ...naming(config, way, 'functions, types or classes, as its runtime tells') },
    { power: 'end it in order', ...ending(config) },
    ...heapLimitOfNode(env, reading),
  ];
}

/** What a command would meet if it runs Node: whether it does is not known yet. */
function heapLimitOfNode(env: NodeJS.ProcessEnv, reading: Reading): Power[] {
  const { bytes, set } = heapLimit([], env['NODE_OPTIONS'] ?? '', reading.limitBytes);
  return heapLimitPower(bytes, set, reading).map((power) => ({
    ...power,
    has: power.has === 'no' ? 'partly' : power.has,
    detail: `if it runs Node: ${power.detail}`,
  }));
}

/** Same user, same network: what may be in the way is what every Node program here would meet. */
async function wayIntoNode({ gc }: Config, env: NodeJS.ProcessEnv): Promise<Ability> {
  if (process.platform !== 'linux') return no('needs /proc of Linux', 'run it on Linux');
  const options = env['NODE_OPTIONS'] ?? '';
  const { host, port, atStart } = inspectFlags([], options);
  if (!atStart && gc === 'inspect-only') return partly(`of ${OTHERS}`, NEEDS_OPEN);
  const switchedOff = /(?:^|\s)(--disable-sigusr1|--(?:experimental-)?permission)(?=\s|$)/.exec(options)?.[1];
  if (!atStart && switchedOff)
    return partly(`of ${OTHERS}; not of Node: NODE_OPTIONS has ${switchedOff}`, `leave ${switchedOff} out`);
  if (await isTaken({ host, port }))
    return partly(
      `of ${OTHERS}; not of Node: ${host}:${port}, where it would open its inspector, is in use`,
      'give the command an inspector port of its own: NODE_OPTIONS=--inspect-port=PORT',
    );
  return yes(`of Node, ${OTHERS}`);
}

function ending({ recycle, restart }: Config): Ability {
  if (recycle === 'off') return no('switched off', 'set --recycle auto');
  if (recycle === 'on') return yes('SIGTERM, whether the command handles it or not');
  return restart === 'no'
    ? no('nobody would start the command again', 'set --restart on-failure, or --recycle on')
    : yes('a command that handles SIGTERM');
}
