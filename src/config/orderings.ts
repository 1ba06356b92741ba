/** Values that must stand in this order; each row is one problem when it does not hold. */
export const ORDERINGS = [
  ['warnRatio', '<', 'shedRatio'],
  ['shedRatio', '<', 'criticalRatio'],
  ['recoverMargin', '<', 'warnRatio'],
  ['sampleMin', '<=', 'sampleMax'],
] as const;
