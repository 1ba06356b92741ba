import { type Config, OPTION_LIST } from '../../src/config/options.ts';

/** What holds where nothing is set: the defaults of the table. */
export const DEFAULT_OPTIONS = Object.fromEntries(
  OPTION_LIST.map(([key, option]) => [key, option.default]),
) as Config;

/** Neither collections nor profiles nor recycling: what is left is the loop and its judgement. */
export const NO_REMEDIES = { gc: 'off', profile: 'off', recycle: 'off' } as const;
