import type { RecycleEnd } from '../../../src/core/recycle/outcome.ts';
import {
  describeKill,
  describeOutcome,
  describeStanding,
  type RecycleStanding,
} from '../../../src/core/recycle/words.ts';
import { golden } from '../../support/golden.ts';
import { MiB } from '../../support/reading.ts';

golden('recycle', () => {
  const standings: RecycleStanding[] = [
    { code: 'other_victim' },
    { code: 'gc_frees' },
    { code: 'gc_may_free' },
    { code: 'not_rising' },
    { code: 'limit_not_near' },
    { code: 'rise_too_short' },
    { code: 'work_unseen' },
    { code: 'work_in_flight' },
    { code: 'kubelet_delays' },
    { code: 'not_its_turn' },
    { code: 'switched_off' },
    { code: 'no_restart_policy' },
    { code: 'restart_policy_unknown' },
    { code: 'no_sigterm_handler' },
    { code: 'sigterm_sent' },
    { code: 'sigterm_not_sent' },
    { code: 'just_started' },
    { code: 'recycled_recently', leftMs: 42_000 },
    { code: 'needs_more', ageSeconds: 5.1, heldBytes: 486 * MiB, limitBytes: 512 * MiB },
    { code: 'no_agent' },
    { code: 'others_end_it', message: 'SIGTERM was forwarded to it' },
    { code: 'recycling', message: 'usage still rises' },
    { code: 'left_running', afterMs: 30_000 },
  ];
  const ends: RecycleEnd[] = [
    { code: 'ended_before' },
    { code: 'ended', afterMs: 120 },
    { code: 'handed_over', afterMs: 120 },
    { code: 'left_running', afterMs: 300 },
    { code: 'sigterm_not_sent', message: 'kill EPERM' },
    { code: 'not_judged' },
    { code: 'port_closed' },
    { code: 'work_goes_on' },
    { code: 'called_off', message: 'GC frees memory' },
  ];
  const outcome = { result: 'ended', endedMs: 120, drainedMs: 1300 } as const;
  const counts = [
    { before: 2, after: 0 },
    { before: null, after: 1 },
    { before: null, after: null },
  ];
  return [
    describeKill({ secondsToLimit: 3, grownSeconds: null, collections: 'useless', inFlight: 2 }),
    describeKill({ secondsToLimit: 1, grownSeconds: null, collections: 'impossible', inFlight: 0 }),
    describeKill({ secondsToLimit: 3, grownSeconds: 14, collections: 'useless', inFlight: 0 }),
    describeKill({ secondsToLimit: 3, grownSeconds: null, collections: 'useless', inFlight: null }),
    ...standings.map((standing) => `${standing.code}: ${describeStanding(standing)}`),
    ...ends.map((end) => {
      const inFlight = { before: 2, after: 0 };
      return `${end.code}: ${describeOutcome({ ...outcome, inFlight, end })}`;
    }),
    ...counts.map((inFlight) =>
      describeOutcome({ ...outcome, inFlight, end: { code: 'ended', afterMs: 120 } }),
    ),
  ];
});
