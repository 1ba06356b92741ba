import type { GateMemory } from '../../core/pressure/gate/memory-room.ts';
import { DEFAULT_JUDGEMENT } from '../../core/pressure/judge.ts';
import type { Pressure } from '../pressure.ts';

/** Memory now, the same object while nothing new is known; `null` where it is unknown, and once the pressure is closed. */
export type MemorySource = (nowMs: number) => GateMemory | null;

/** Under this key a {@link Pressure} of this library tells bytes: copies of the library, ESM and CommonJS, know it alike. */
export const GATE_MEMORY: unique symbol = Symbol.for('spillway.gate-memory');

/** Another's pressure says no bytes: its ratio counts as one of this limit. */
const NOMINAL_LIMIT_BYTES = 2 ** 30;

/** How the gate of this pressure learns of memory. Never throws: what throws is unknown. */
export function memorySourceOf(pressure: Pressure): MemorySource {
  const { [GATE_MEMORY]: own } = pressure as { [GATE_MEMORY]?: MemorySource };
  const source = own ? own.bind(pressure) : ofRatio(pressure);
  return (nowMs) => {
    try {
      return source(nowMs);
    } catch {
      return null;
    }
  };
}

function ofRatio(pressure: Pressure): MemorySource {
  const { shedRatio, criticalRatio } = DEFAULT_JUDGEMENT;
  let last: { ratio: unknown; memory: GateMemory | null } = { ratio: null, memory: null };
  return () => {
    const { ratio } = pressure;
    if (ratio !== last.ratio) {
      const usedBytes = Number(ratio) * NOMINAL_LIMIT_BYTES;
      const uses = [{ usedBytes, limitBytes: NOMINAL_LIMIT_BYTES }] as const;
      last = { ratio, memory: usedBytes >= 0 && ratio !== null ? { uses, shedRatio, criticalRatio } : null };
    }
    return last.memory;
  };
}
