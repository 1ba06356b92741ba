/** The agent's own note: a thread stood still up to `atMs`, and the process spent so much CPU time meanwhile. */
export interface Gap {
  atMs: number;
  gapMs: number;
  cpuMs: number;
}

/** What the guardian did to the agent, noted below its own code. Times are of the wall clock. */
export type Contact = { atMs: number } & (
  | { signal: string; pid: number }
  | { connection: number }
  | { closed: number }
  | { memory: string }
);

/** A stop goes on for a while after the word that asked for it. */
const AFTER_MS = 1000;

/**
 * Stops of the agent while the guardian was in contact with it. A machine that is busy makes gaps too: a process that only
 * waits for a processor spends no CPU time, one that collects does, so a stop is as long as the shorter of the two.
 */
export function stops(
  gaps: readonly Gap[],
  contacts: readonly Contact[],
): { atMs: number; stopMs: number }[] {
  const touched = periods(contacts);
  return gaps
    .filter(({ atMs, gapMs }) =>
      touched.some(({ from, to }) => from <= atMs && to + AFTER_MS >= atMs - gapMs),
    )
    .map(({ atMs, gapMs, cpuMs }) => ({ atMs, stopMs: Math.min(gapMs, cpuMs) }));
}

function periods(contacts: readonly Contact[]): { from: number; to: number }[] {
  return contacts.flatMap((contact) => {
    if ('closed' in contact) return [];
    const end =
      'connection' in contact
        ? contacts.find((other) => 'closed' in other && other.closed === contact.connection)?.atMs
        : contact.atMs;
    return [{ from: contact.atMs, to: end ?? Number.POSITIVE_INFINITY }];
  });
}

/** Lines `atMs gapMs cpuMs`. */
export function parseGaps(text: string): Gap[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [atMs = 0, gapMs = 0, cpuMs = 0] = line.split(' ').map(Number);
      return { atMs, gapMs, cpuMs };
    });
}
