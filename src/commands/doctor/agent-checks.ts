import type { Config } from '../../config/options.ts';
import { heapAdvice } from '../../core/gc/near-heap-limit.ts';
import { formatBytes } from '../../core/lib/units.ts';
import type { Reading } from '../../core/model/reading.ts';
import { RUNTIMES } from '../../core/model/runtimes.ts';
import type { AgentProcess } from '../../core/ports/ports.ts';
import { maySignal, type RuntimeProbe } from '../../runtimes/probe.ts';
import { probeRuntime } from '../../runtimes/registry.ts';
import { type SharedHost, sharedHost } from '../../sources/shared-host.ts';
import { handlesSigterm, sigtermTarget } from '../../sources/sigterm.ts';
import { restartedBy } from '../guard.ts';
import { type Check, fail, type Outcome, pass, refused, warn } from './check.ts';
import { inspectorReach } from './inspector-exposure.ts';

/** What can be done from inside an agent that runs, and to it. Reads only. */
export async function agentChecks(
  config: Config,
  life: AgentProcess,
  reading: Reading,
  { inPod }: { inPod: boolean },
): Promise<Check[]> {
  const { worker } = life;
  const others = sharedHost({ procRoot: '/proc', sysRoot: '/sys', inPod, pid: worker.pid });
  const probed = await probeRuntime(worker, {
    procRoot: '/proc',
    mayOpen: config.gc === 'auto' || config.gc === 'on-shared-host', // `off` sends no signal for a profile either
    others: config.gc === 'auto' ? others : undefined,
  }).catch(refused);
  const way = 'status' in probed ? probed : pass(probed.detail, probed.code);
  const { noGc, exposesPort, advice }: Partial<RuntimeProbe> = 'status' in probed ? {} : probed;
  return [
    { check: 'garbage collection', ...collecting(config, way, noGc) },
    { check: 'growth profile', ...naming(config, way, RUNTIMES[worker.runtime].namedBy) },
    ...(exposesPort ? [{ check: 'inspector exposure', ...exposure(worker.pid, others) }] : []),
    ...(advice && config.hook !== 'off' ? [hookCheck(advice)] : []),
    { check: 'graceful recycle', ...ending(config, life, way) },
    ...heapLimitCheck(life.heapLimitBytes, life.heapLimitSet, reading),
  ];
}

function hookCheck({ check, code, detail, hint }: NonNullable<RuntimeProbe['advice']>): Check {
  return { check, ...warn(code, detail, hint) };
}

function collecting(config: Config, way: Outcome, noGc: RuntimeProbe['noGc']): Outcome {
  if (config.gc === 'off') return fail('switched_off', 'switched off', 'set --gc auto');
  return noGc ? fail(noGc.code, noGc.detail, noGc.hint) : way;
}

/** @param by what the growth is named by */
export function naming(config: Config, way: Outcome, by: string): Outcome {
  if (config.profile === 'off') return fail('switched_off', 'switched off', 'set --profile auto');
  return way.status === 'pass' ? pass(by) : way;
}

/** @param others who could reach it over the network of a node or machine, where it is opened all the same */
function exposure(pid: number, others: SharedHost | undefined): Outcome {
  return others === undefined
    ? inspectorReach('/proc', pid)
    : warn(others.code, others.message, 'set --gc auto, which opens no inspector here');
}

function ending(
  { recycle, podRestartPolicy }: Config,
  { info, worker }: AgentProcess,
  way: Outcome,
): Outcome {
  if (recycle === 'off') return fail('switched_off', 'switched off', 'set --recycle auto');
  if (!maySignal(info.pid))
    return fail(
      'sigterm_not_permitted',
      `SIGTERM to ${info.pid} is not permitted`,
      'run the guardian with the uid of the agent',
    );
  if (recycle === 'on') return pass('SIGTERM, whether it handles it or not');
  if (restartedBy(podRestartPolicy) === false)
    return fail(
      'not_restarted',
      `its pod has restartPolicy ${podRestartPolicy}: the kubelet does not restart it after a graceful exit`,
      'none, where its work must not be interrupted',
    );
  const target = sigtermTarget('/proc', info.pid, worker.pid);
  if (target === null)
    return fail(
      'has_siblings',
      'its parent process has other children',
      'start it alone, or set --recycle on',
    );
  const handles = handlesSigterm('/proc', target);
  if (handles !== null)
    return handles
      ? pass('it handles SIGTERM')
      : warn(
          'no_sigterm_handler',
          'no SIGTERM handler is known: it is recycled only while nothing is in flight',
          'handle SIGTERM in the agent, or set --recycle on',
        );
  // Node itself catches it in every program: SigCgt tells nothing
  return way.status === 'pass'
    ? warn(
        'asked_later',
        'the guardian asks the program for a SIGTERM handler at run time',
        'if it has none: handle SIGTERM in the agent, or set --recycle on',
      )
    : warn(
        'cannot_be_asked',
        'the guardian cannot ask the program for a SIGTERM handler: it is recycled only while nothing is in flight',
        'see garbage collection, or set --recycle on',
      );
}

/** Of a Node program where there is a limit to hold it; of none else. `heapLimitBytes` is what shows from outside. */
export function heapLimitCheck(
  heapLimitBytes: number | null,
  explicit: boolean,
  { limitBytes, limitSource }: Reading,
): Check[] {
  if (heapLimitBytes === null || limitSource === 'machine') return [];
  const check = 'heap limit';
  const advice = heapAdvice({ heapLimitBytes, containerLimitBytes: limitBytes, explicit });
  if (advice) return [{ check, ...fail(advice.code, advice.message, advice.hint) }];
  const origin = explicit ? 'as set' : 'by default';
  return [{ check, ...pass(`V8 aborts at ${formatBytes(heapLimitBytes)}, ${origin}`) }];
}
