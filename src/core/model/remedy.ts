/** What a remedy does now, and why. */
export interface RemedyStatus {
  /** `gc`, `shed`, `recycle`, and those of the user. */
  name: string;
  /** `waiting`: it would act, and something keeps it from that. `off`: the user does not want it. */
  state: 'idle' | 'acting' | 'waiting' | 'off';
  /** One sentence without its end. */
  why: string;
}
