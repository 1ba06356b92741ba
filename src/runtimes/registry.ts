import { connectInspector } from '../adapters/inspector-client.ts';
import { SpillwayError } from '../core/lib/errors.ts';
import type { AgentProcess } from '../core/ports/ports.ts';
import type { RuntimeClient } from '../core/ports/runtime-client.ts';
import { createInspectorTarget } from '../sources/inspector/target.ts';
import { listeningSockets } from '../sources/listening-ports.ts';
import { argsOf } from '../sources/process-table.ts';
import { readPythonFacts } from '../sources/python/facts.ts';
import { sharedHost } from '../sources/shared-host.ts';
import { createGoClient } from './go/client.ts';
import { createJvmClient } from './jvm/client.ts';
import { createNodeClient } from './node/client.ts';
import { createHeapProfile } from './node/heap-profile.ts';
import type { SignalRecord } from './node/signal-record.ts';
import { createSourceMaps } from './node/source-maps.ts';
import type { NodeSignals } from './node/target.ts';
import { createPythonClient } from './python/client.ts';

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
}

/** The way into a process' runtime, or in words why there is none. */
export function runtimeClientOf(
  { pid, runtime }: AgentProcess['worker'],
  options: RuntimeClientOptions,
): RuntimeClient | string {
  const { procRoot, sameFiles } = options;
  switch (runtime) {
    case 'node': {
      const findPlaces = createSourceMaps({ procRoot, pid, sameFiles });
      return createNodeClient({
        target: createInspectorTarget({ procRoot, pid }),
        connect: connectInspector,
        signals: nodeSignals(pid, options),
        profiler: (main, workers) => createHeapProfile(main, { workers, findPlaces }),
      });
    }
    case 'python':
      return createPythonClient({
        ...{ procRoot, pid, look: readPythonFacts(procRoot, pid) },
        mayOrder: options.maySignal,
      });
    case 'jvm':
      return createJvmClient({ procRoot, pid, maySignal: options.maySignal });
    case 'go':
      return createGoClient({ procRoot, pid, listening: listeningSockets });
    default:
      return 'the program has no supported runtime';
  }
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
          `Spillway does not open the inspector of process ${pid}: ${others}`,
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
