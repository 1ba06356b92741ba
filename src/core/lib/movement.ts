/** How a quantity moves, apart from noise: where it was when it last moved. State in, state out; monotonic milliseconds. */
export interface Movement {
  readonly value: number;
  /** When it last moved, up or down. */
  readonly movedMs: number;
  /** When it last rose. */
  readonly roseMs: number;
}

/** Before the first value: whatever comes is no rise. */
export const UNMOVED: Movement = {
  value: Number.POSITIVE_INFINITY,
  movedMs: Number.NEGATIVE_INFINITY,
  roseMs: Number.NEGATIVE_INFINITY,
};

/** @param tolerance a rise or fall by no more is noise; the same state comes back for it */
export function nextMovement(state: Movement, value: number, tolerance: number, nowMs: number): Movement {
  if (value > state.value + tolerance) return { value, movedMs: nowMs, roseMs: nowMs };
  if (value < state.value - tolerance) return { value, movedMs: nowMs, roseMs: state.roseMs };
  return state;
}

/** Whether it has moved neither up nor down for so long. */
export function rests({ movedMs }: Movement, nowMs: number, forMs: number): boolean {
  return nowMs - movedMs >= forMs;
}

/** Whether it rose less than so long ago. */
export function rises({ roseMs }: Movement, nowMs: number, withinMs: number): boolean {
  return nowMs - roseMs < withinMs;
}
