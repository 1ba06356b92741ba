import type { Remediation } from '../../src/core/ports/ports.ts';

/** Nobody acts on pressure: what is tested is the loop alone. */
export const NO_RELIEF: Remediation = {
  follow() {},
  attend() {},
  ended: () => undefined,
  heap: null,
  reclaimOutlook: undefined,
  lastGc: undefined,
  growth: undefined,
  advice: [],
  findings: () => [],
  draining: () => null,
  remedies: () => [],
};
