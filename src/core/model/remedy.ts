/** What a remedy does now, and why. */
export interface RemedyStatus<Code extends string = string> {
  /** `gc`, `shed`, `recycle`, and those of the user. */
  name: string;
  /** `waiting`: it would act, and something keeps it from that. `off`: the user does not want it. */
  state: 'idle' | 'acting' | 'waiting' | 'off';
  /** Why, for programs: one of a closed set of each remedy's own. */
  code: Code;
  /** The same in one sentence without its end. */
  why: string;
}
