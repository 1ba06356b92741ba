import { connectInspector } from '../adapters/inspector-client.ts';
import { SpillwayError } from '../core/lib/errors.ts';
import type { Runtime } from '../core/model/status.ts';
import type { AgentHooks } from '../core/ports/agent-hook.ts';
import type { AgentProcess } from '../core/ports/ports.ts';
import type { RuntimeClient } from '../core/ports/runtime-client.ts';
import { createInspectorTarget } from '../sources/inspector/target.ts';
import { listeningSockets } from '../sources/listening-ports.ts';
import { argsOf } from '../sources/process-table.ts';
import { readPythonFacts } from '../sources/python/facts.ts';
import { sharedHost } from '../sources/shared-host.ts';
import { createGoClient } from './go/client.ts';
import { probeGo } from './go/probe.ts';
import { createJvmClient } from './jvm/client.ts';
import { probeJvm } from './jvm/probe.ts';
import { createNodeClient } from './node/client.ts';
import { createHeapProfile } from './node/heap-profile.ts';
import { probeNode } from './node/probe.ts';
import type { SignalRecord } from './node/signal-record.ts';
import type { NodeSignals } from './node/signals.ts';
import { createSourceMaps } from './node/source-maps.ts';
import type { ProbeOptions, RuntimeProbe } from './probe.ts';
import { createPythonClient } from './python/client.ts';
import { probePython } from './python/probe.ts';

const NO_RUNTIME = 'the program has no supported runtime';

/** How a runtime may be entered. */
export interface RuntimeClientOptions {
  procRoot: string;
  /** How far the user lets the guardian go. */
  gc: 'auto' | 'on-shared-host' | 'inspect-only' | 'off';
  /** Whether a signal may open a connection now, or a remote call be written to the agent's memory. */
  maySignal(): boolean;
  /** Which programs take SIGUSR1 for something else. */
  signalRecord: SignalRecord;
  /** Whether the guardian runs in a pod. */
  inPod: boolean;
  /** Whether the agent sees the same files as the guardian: wrap mode. */
  sameFiles: boolean;
  /** The hooks that are connected. */
  hooks: Pick<AgentHooks, 'of'>;
}

/** What is asked of a runtime: a connection, and whether one could be made. */
interface RuntimeEntry {
  connect(pid: number, options: RuntimeClientOptions): RuntimeClient;
  probe(pid: number, options: ProbeOptions): Promise<RuntimeProbe>;
}

const REGISTRY: Readonly<Record<Exclude<Runtime, 'other'>, RuntimeEntry>> = {
  node: { connect: nodeClient, probe: probeNode },
  python: {
    connect: (pid, { procRoot, maySignal }) =>
      createPythonClient({ procRoot, pid, look: readPythonFacts(procRoot, pid), mayOrder: maySignal }),
    probe: probePython,
  },
  jvm: {
    connect: (pid, { procRoot, maySignal }) => createJvmClient({ procRoot, pid, maySignal }),
    probe: probeJvm,
  },
  go: {
    connect: (pid, { procRoot }) => createGoClient({ procRoot, pid, listening: listeningSockets }),
    probe: probeGo,
  },
};

/** The connection to a process' runtime, or in words why there is none. */
export function runtimeClientOf(
  { pid, runtime }: AgentProcess['worker'],
  options: RuntimeClientOptions,
): RuntimeClient | string {
  return runtime === 'other' ? NO_RUNTIME : REGISTRY[runtime].connect(pid, options);
}

/**
 * Whether a process' runtime can be connected to. Reads only: sends no signal, attaches to nothing, writes nothing; at most the
 * process' own ports are asked whether they are an inspector's (`/json/list`) or pprof's (`/debug/pprof/`).
 * @throws SpillwayError `refused` or `timeout`, with the hint
 */
export async function probeRuntime(
  { pid, runtime }: AgentProcess['worker'],
  options: ProbeOptions,
): Promise<RuntimeProbe> {
  if (runtime === 'other') throw new SpillwayError('refused', NO_RUNTIME);
  return REGISTRY[runtime].probe(pid, options);
}

function nodeClient(pid: number, options: RuntimeClientOptions): RuntimeClient {
  const { procRoot, sameFiles, hooks } = options;
  const findPlaces = createSourceMaps({ procRoot, pid, sameFiles });
  return createNodeClient({
    target: createInspectorTarget({ procRoot, pid }),
    connect: connectInspector,
    signals: nodeSignals(pid, options),
    hook: () => hooks.of(pid),
    profiler: (main, workers) => createHeapProfile(main, { workers, findPlaces }),
  });
}

function nodeSignals(
  pid: number,
  { procRoot, gc, maySignal, signalRecord, inPod }: RuntimeClientOptions,
): NodeSignals {
  const args = () => argsOf(procRoot, pid);
  return {
    refusal() {
      // `off` sends no signal for a profile either
      if (gc === 'inspect-only' || gc === 'off')
        return new SpillwayError('refused', `process ${pid} has no open inspector`, {
          hint: 'start the agent with --inspect, or allow SIGUSR1 with --gc auto',
        });
      if (!maySignal())
        return new SpillwayError(
          'deferred',
          `process ${pid} has no open inspector, and Spillway sends SIGUSR1 only from shedding on`,
          { retryable: true },
        );
      const others = gc === 'auto' ? sharedHost({ procRoot, sysRoot: '/sys', inPod, pid }) : undefined;
      if (others !== undefined)
        return new SpillwayError(
          'refused',
          `Spillway does not open the inspector of process ${pid}: ${others.message}`,
          {
            hint: 'allow it with --gc on-shared-host, or start the agent with --inspect',
          },
        );
      const barred = signalRecord.refusal(args());
      if (barred === undefined) return undefined;
      return new SpillwayError('refused', `Spillway sends no SIGUSR1 to process ${pid}: ${barred}`, {
        hint: 'start the agent with --inspect',
      });
    },
    sent: () => signalRecord.sent(args()),
    answered: () => signalRecord.answered(),
  };
}
