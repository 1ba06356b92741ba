/** How use moves towards the nearer limit, container's or heap's own: what a sentence about the future needs. */
export interface Outlook {
  growthBytesPerSecond: number | null;
  secondsToLimit: number | null;
  secondsToLimitRange: [low: number, high: number | null] | null;
}

export const NO_OUTLOOK: Outlook = {
  growthBytesPerSecond: null,
  secondsToLimit: null,
  secondsToLimitRange: null,
};
