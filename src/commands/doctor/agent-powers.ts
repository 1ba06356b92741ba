import { constants } from 'node:os';
import type { Config } from '../../config/options.ts';
import { heapAdvice } from '../../core/near-heap-limit.ts';
import type { AgentLife } from '../../core/ports.ts';
import type { Reading } from '../../core/reading.ts';
import type { Runtime } from '../../core/status.ts';
import { formatBytes } from '../../core/units.ts';
import { argsOf } from '../../sources/process-table.ts';
import { catchesSignal } from '../../sources/signals.ts';
import { type Ability, no, type Power, partly, yes } from './power.ts';
import { lookForWayIn, maySignal } from './way-in.ts';

/** What the growth is named by, of each runtime. */
const NAMED_BY: Readonly<Record<Runtime, string>> = {
  node: 'function, file and line, by sampling its allocations',
  python: 'types, and lines where tracemalloc runs',
  jvm: 'classes, by a heap histogram',
  go: 'function, file and line, by its heap profile',
  other: '',
};

/** What can be done from inside an agent that runs, and to it. Reads only. */
export async function agentPowers(config: Config, life: AgentLife, reading: Reading): Promise<Power[]> {
  const { worker } = life;
  const way = await lookForWayIn(worker, { mayOpen: config.gc !== 'inspect-only' });
  return [
    { power: 'collect garbage', ...collecting(config, worker, way) },
    { power: 'name what grows', ...naming(config, way, NAMED_BY[worker.runtime]) },
    { power: 'end it in order', ...ending(config, life, way) },
    ...heapLimitPower(life.heapLimitBytes, life.heapLimitSet, reading),
  ];
}

function collecting(config: Config, { pid, runtime }: AgentLife['worker'], way: Ability): Ability {
  if (config.gc === 'off') return no('switched off', 'set --gc auto');
  if (way.has === 'yes' && runtime === 'jvm' && argsOf('/proc', pid).includes('-XX:+DisableExplicitGC'))
    return no('the JVM runs with -XX:+DisableExplicitGC', 'leave -XX:+DisableExplicitGC out');
  return way;
}

/** @param by what the growth is named by */
export function naming(config: Config, way: Ability, by: string): Ability {
  if (config.profile === 'off') return no('switched off', 'set --profile auto');
  return way.has === 'yes' ? yes(by) : way;
}

function ending({ recycle }: Config, { info }: AgentLife, way: Ability): Ability {
  if (recycle === 'off') return no('switched off', 'set --recycle auto');
  if (!maySignal(info.pid))
    return no(`SIGTERM to ${info.pid} is not permitted`, 'run the guardian with the uid of the agent');
  if (recycle === 'on') return yes('SIGTERM, whether it handles it or not');
  if (info.runtime !== 'node')
    return catchesSignal('/proc', info.pid, constants.signals.SIGTERM)
      ? yes('it handles SIGTERM')
      : no('it does not handle SIGTERM', 'handle SIGTERM in the agent, or set --recycle on');
  // Node itself catches it in every program: SigCgt tells nothing
  return way.has === 'yes'
    ? partly(
        'whether its program handles SIGTERM is asked of it at run time',
        'if it does not: handle SIGTERM in the agent, or set --recycle on',
      )
    : no(
        'whether its program handles SIGTERM cannot be asked of it',
        'as for collect garbage, or set --recycle on',
      );
}

/** Of a Node program where there is a limit to hold it; of none else. `heapLimitBytes` is what shows from outside. */
export function heapLimitPower(
  heapLimitBytes: number | null,
  explicit: boolean,
  { limitBytes, limitSource }: Reading,
): Power[] {
  if (heapLimitBytes === null || limitSource === 'machine') return [];
  const power = 'heap limit fits';
  const advice = heapAdvice({ heapLimitBytes, containerLimitBytes: limitBytes, explicit });
  if (advice) {
    const [detail = '', mend = ''] = advice.message.split('; ');
    return [{ power, ...no(detail, mend) }];
  }
  const origin = explicit ? 'as set' : 'by default';
  return [{ power, ...yes(`V8 gives up at ${formatBytes(heapLimitBytes)}, ${origin}`) }];
}
