import { SpillwayError } from '../core/lib/errors.ts';
import { formatBytes } from '../core/lib/units.ts';
import { type Reading, unreclaimableBytes } from '../core/model/reading.ts';

/** What a sum of RSS was made of. */
export interface RssOrigin {
  /** Whether pages that processes share are counted once. Default true. */
  readonly exact?: boolean;
  /** How many processes there are. Default 1. */
  readonly processes?: number;
}

/** A sum that was wrong is believed again below this share of the limit. */
const BELIEVED_SHARE = 0.5;

/**
 * Tells a sum of RSS that cannot be. Nobody holds more than a limit that the kernel enforces: the kernel kills first. A limit
 * that only `--limit` sets may be exceeded, as far as each page is counted once.
 */
export class RssDoubt {
  #doubted = false;

  /** @throws SpillwayError `read`, with the hint, as long as the sum is not to be believed */
  check(reading: Reading, { exact = true, processes = 1 }: RssOrigin): void {
    const held = unreclaimableBytes(reading);
    const { limitBytes, limitSource } = reading;
    const mayBe = limitSource === 'option' && exact;
    if (mayBe || held <= BELIEVED_SHARE * limitBytes) this.#doubted = false;
    else if (held > limitBytes) this.#doubted = true;
    if (!this.#doubted) return;
    const why = exact
      ? 'that is not the limit in force; make the cgroup of the agent visible to the guardian, or set --limit'
      : 'shared pages count in each process; run the guardian with the same uid and gid as the agent (runAsUser, runAsGroup)';
    throw new SpillwayError(
      'read',
      `the RSS of the agent's processes (${processes}) adds up to ${formatBytes(held)} at a limit of ${formatBytes(limitBytes)} without an OOM kill: ${why}`,
    );
  }
}
