import type { Site } from './heap.ts';

/** What kind of memory grew. */
export type GrowthKind = 'heap' | 'external' | 'children' | 'native' | 'shared';

/** What grew, as the status, `POST /v1/profile` and post-mortems report it. */
export interface GrowthReport {
  /** ISO time at which it was looked at. */
  at: string;
  /** One sentence for people. */
  note: string;
  /** Most growth first. */
  kinds: { kind: GrowthKind; bytes: number; growthBytes: number; words: string }[];
  /** Most growth first; empty where the runtime does not report it. */
  sites: Site[];
  /** How long allocations have been sampled, in milliseconds; `null` where they are not. */
  sampledMs: number | null;
}
