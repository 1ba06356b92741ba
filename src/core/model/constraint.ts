/** What can relieve a constraint. */
export type Relief = 'gc' | 'shed' | 'recycle';

/** One thing that may run out: the agent's container, its heap, or what a source of the user's tells. */
export interface Constraint {
  /** As in `limitedBy` of the status and in the label of `spillway_constraint_ratio`. */
  readonly name: string;
  readonly used: number;
  readonly limit: number;
  readonly unit: 'bytes' | 'ratio';
  /** Where both numbers come from. */
  readonly source: string;
  /** What can relieve it: nobody collects garbage because of what memory does not hold. */
  readonly helps: ReadonlySet<Relief>;
}

/** A constraint beside the agent's own memory. */
export interface ConstraintSource {
  /** The latest value, at next to no cost; `null` while there is none, or none that is young enough to be believed. */
  read(nowMs: number): Constraint | null;
}

/** How near its end it is: 0…1, above 1 where it is exceeded. */
export function constraintRatio({ used, limit }: Pick<Constraint, 'used' | 'limit'>): number {
  return limit > 0 ? used / limit : 1;
}

/** The one nearest to its end. */
export function nearestOf(constraints: readonly Constraint[]): Constraint | null {
  let nearest: Constraint | null = null;
  for (const each of constraints)
    if (nearest === null || constraintRatio(each) > constraintRatio(nearest)) nearest = each;
  return nearest;
}
