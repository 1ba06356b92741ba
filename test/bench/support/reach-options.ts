import { systemClock } from '../../../src/compose/agent.ts';
import { createSignalRecord } from '../../../src/runtimes/node/signal-record.ts';
import type { RuntimeClientOptions } from '../../../src/runtimes/registry.ts';

/** Everything is allowed: what is measured is what it costs. */
export const ANY_WAY: RuntimeClientOptions = {
  procRoot: '/proc',
  gc: 'on-shared-host',
  maySignal: () => true,
  signalRecord: createSignalRecord({
    dir: undefined,
    clock: systemClock,
    onProblem: () => {},
  }),
  inPod: false,
  sameFiles: true,
  hooks: { of: () => undefined },
};
