import { formatAddress } from '../../core/lib/address.ts';
import { SpillwayError } from '../../core/lib/errors.ts';
import { type LoadedHook, loadedHook } from '../../sources/hook/loaded.ts';
import { createInspectorTarget } from '../../sources/inspector/target.ts';
import { ASK_MS, maySignal, type ProbeOptions, type RuntimeProbe } from '../probe.ts';

export const NEEDS_OPEN = 'start the agent with --inspect, or allow SIGUSR1 with --gc auto';

const NOT_CONNECTED: RuntimeProbe['advice'] & object = {
  ...{
    check: 'hook',
    code: 'hook_not_connected',
    detail: 'the agent has the hook, and no guardian listens to it',
  },
  hint: 'none where the guardian is not running yet; else see its log for the hook',
};
const foreignHook = ({ agent, guardian }: LoadedHook['foreign'] & object): typeof NOT_CONNECTED => ({
  ...NOT_CONNECTED,
  detail: `the agent has the hook, and is uid ${agent}: it may not connect to its guardian, uid ${guardian}`,
  hint: 'change the user before the guardian: setpriv … spillway run … -- node …',
});
const NOT_LOADED: RuntimeProbe['advice'] & object = {
  ...{
    check: 'hook',
    code: 'hook_not_loaded',
    detail: 'the agent has no hook: no gate, and an inspector instead',
  },
  hint: 'start the agent with spillway run; in a pod, set NODE_OPTIONS in env (value: "" will do) and inject again',
};

/** @throws SpillwayError `refused`, with the hint */
export async function probeNode(
  pid: number,
  { procRoot, mayOpen, others }: ProbeOptions,
): Promise<RuntimeProbe> {
  const refuse = (message: string, hint: string) => new SpillwayError('refused', message, { hint });
  const hook = loadedHook(procRoot, pid);
  if (hook?.connected) return { code: 'hook', detail: `hook in the agent, by ${hook.directory}` };
  const notConnected = hook?.foreign ? foreignHook(hook.foreign) : NOT_CONNECTED;
  const advice = hook ? notConnected : NOT_LOADED;
  const target = createInspectorTarget({ procRoot, pid });
  const open = await target.find(ASK_MS);
  const exposesPort = true;
  if (open) {
    const address = formatAddress({ host: open.address, port: open.port });
    return { code: 'inspector_open', detail: `open inspector on ${address}`, exposesPort, advice };
  }
  if (!mayOpen) throw refuse(`process ${pid} has no open inspector`, NEEDS_OPEN);
  if (others !== undefined)
    throw refuse(
      `the guardian does not open its inspector: ${others.message}`,
      'allow it with --gc on-shared-host, or start the agent with --inspect',
    );
  const obstacle = target.signalObstacle(await target.listening());
  if (obstacle) throw obstacle;
  if (!maySignal(pid))
    throw refuse(`SIGUSR1 to ${pid} is not permitted`, 'run the guardian with the uid of the agent');
  const detail = 'SIGUSR1 opens its inspector when needed, unless the program handles SIGUSR1 itself';
  return { code: 'sigusr1', detail, exposesPort, advice };
}
