import { accessSync, constants } from 'node:fs';
import { formatAddress } from '../../core/lib/address.ts';
import { SpillwayError } from '../../core/lib/errors.ts';
import type { AgentProcess } from '../../core/ports/ports.ts';
import { createEndpoint } from '../../runtimes/go/endpoint.ts';
import { openTmp, socketExists } from '../../runtimes/jvm/files.ts';
import { checkSignal, findJvm } from '../../runtimes/jvm/target.ts';
import { openOrder } from '../../runtimes/python/remote-order.ts';
import { createInspectorTarget } from '../../sources/inspector/target.ts';
import { listeningSockets } from '../../sources/listening-ports.ts';
import { readPythonFacts } from '../../sources/python/facts.ts';
import { fail, type Outcome, pass, refused } from './check.ts';

const PROC = '/proc';
/** To tell whether a port is an inspector's or pprof's; measured 1–5 ms. */
const ASK_MS = 500;
export const NEEDS_OPEN = 'start the agent with --inspect, or allow SIGUSR1 with --gc auto';

/**
 * Whether a process' runtime can be entered. Only looks: sends no signal, attaches to nothing, writes nothing; at most the
 * process' own ports are asked whether they are an inspector's (`/json/list`) or pprof's (`/debug/pprof/`).
 * @param mayOpen whether SIGUSR1 may be sent to a Node process later
 * @param others who could reach the port that opens, in words, where it is not opened for that
 */
export async function probeConnection(
  { pid, runtime }: AgentProcess['worker'],
  { mayOpen, others }: { mayOpen: boolean; others?: string | undefined },
): Promise<Outcome> {
  try {
    switch (runtime) {
      case 'node':
        return await intoNode(pid, mayOpen, others);
      case 'python':
        return intoPython(pid);
      case 'jvm':
        return intoJvm(pid);
      case 'go':
        return await intoGo(pid);
      default:
        return fail('the program has no supported runtime', 'none: readiness and admission still work');
    }
  } catch (error) {
    return refused(error);
  }
}

async function intoNode(pid: number, mayOpen: boolean, others: string | undefined): Promise<Outcome> {
  const target = createInspectorTarget({ procRoot: PROC, pid });
  const open = await target.find(ASK_MS);
  if (open) return pass(`open inspector on ${formatAddress({ host: open.address, port: open.port })}`);
  if (!mayOpen) return fail(`process ${pid} has no open inspector`, NEEDS_OPEN);
  if (others !== undefined)
    return fail(
      `the guardian does not open its inspector: ${others}`,
      'allow it with --gc on-shared-host, or start the agent with --inspect',
    );
  const obstacle = target.signalObstacle(await target.listening());
  if (obstacle) return refused(obstacle);
  if (!maySignal(pid))
    return fail(`SIGUSR1 to ${pid} is not permitted`, 'run the guardian with the uid of the agent');
  return pass('SIGUSR1 opens its inspector when needed, unless the program handles SIGUSR1 itself');
}

function intoPython(pid: number): Outcome {
  const look = readPythonFacts(PROC, pid);
  const startTime = look.startTime();
  if (startTime === null) throw new SpillwayError('refused', `process ${pid} has ended`);
  if (look.hookSocket() !== null) return pass('spillway_hook');
  const order = openOrder(PROC, pid, look, startTime);
  order.close();
  if (!look.directories().some(({ here }) => isWritable(here)))
    return fail('no directory of the agent is writable', 'give the agent a writable /tmp (an emptyDir)');
  return pass(`remote debugging (PEP 768) of CPython ${order.version}`);
}

function intoJvm(pid: number): Outcome {
  const ids = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const target = findJvm(PROC, pid, undefined, ids);
  if (socketExists(target)) return pass('attach protocol, its socket is open');
  const tmp = openTmp(target);
  try {
    if (!isWritable(tmp.path('.')))
      return fail("the agent's /tmp is not writable", 'give the agent a writable /tmp (an emptyDir)');
  } finally {
    tmp.close();
  }
  checkSignal(target);
  return pass('attach protocol');
}

async function intoGo(pid: number): Promise<Outcome> {
  const socket = await createEndpoint({ procRoot: PROC, pid, listening: listeningSockets }, ASK_MS).socket();
  return pass(`pprof on ${formatAddress({ host: socket.address, port: socket.port })}`);
}

/** Signal 0 is none: the kernel only says whether one might be sent. */
export function maySignal(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
