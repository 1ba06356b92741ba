import { createGoReach } from './actions/go-reach.ts';
import { createJvmReach } from './actions/jvm-reach.ts';
import { createHeapProfile } from './actions/node/heap-profile.ts';
import { createNodeReach } from './actions/node-reach.ts';
import { createPythonReach } from './actions/python-reach.ts';
import { connectInspector } from './adapters/inspector-client.ts';
import type { AgentLife } from './core/ports.ts';
import type { Reach } from './core/reach.ts';
import { createInspectorTarget } from './sources/inspector/target.ts';
import { listeningSockets } from './sources/listening-ports.ts';
import { pythonLook } from './sources/python/look.ts';
import { createSourceMaps } from './sources/source-maps.ts';

/** How a runtime may be entered. */
export interface ReachOptions {
  procRoot: string;
  /** Whether the inspector of a Node agent may be opened by SIGUSR1 when it is not open. */
  mayOpen: boolean;
  /** Whether the agent sees the same files as the guardian: wrap mode. */
  sameFiles: boolean;
}

/** The way into a process' runtime, or in words why there is none. */
export function reachOf(
  { pid, runtime }: AgentLife['worker'],
  { procRoot, mayOpen, sameFiles }: ReachOptions,
): Reach | string {
  switch (runtime) {
    case 'node': {
      const findPlaces = createSourceMaps({ procRoot, pid, sameFiles });
      return createNodeReach({
        target: createInspectorTarget({ procRoot, pid }),
        connect: connectInspector,
        mayOpen,
        profiler: (main, workers) => createHeapProfile(main, { workers, findPlaces }),
      });
    }
    case 'python':
      return createPythonReach({ procRoot, pid, look: pythonLook(procRoot, pid) });
    case 'jvm':
      return createJvmReach({ procRoot, pid });
    case 'go':
      return createGoReach({ procRoot, pid, listening: listeningSockets });
    default:
      return 'this program has no runtime that could be asked to collect its garbage';
  }
}
