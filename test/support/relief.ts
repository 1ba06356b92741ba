import type { Relief } from '../../src/core/ports/ports.ts';

/** Nobody acts on pressure: what is tested is the loop alone. */
export const NO_RELIEF: Relief = {
  follow() {},
  attend() {},
  ended: () => undefined,
  heap: null,
  hope: undefined,
  lastGc: undefined,
  growth: undefined,
  advice: [],
};
