import { formatBytes, formatSeconds } from '../lib/units.ts';
import type { EventReason, GuardianEvent } from '../model/events.ts';

/** A Kubernetes Event is refused with a note of more bytes (its API says characters and counts bytes). */
export const NOTE_BYTES = 1024;
const CUT = '…';
/** A border this near to the end is worth cutting at. */
const BORDER_SHARE = 0.8;
/** Ends of thoughts, best first. */
const BORDERS = ['. ', '; ', ', ', ' '];

/** A text of at most `maxBytes` bytes of UTF-8: cut where a thought ends if that is near, never within a character. */
export function cutNote(text: string, maxBytes = NOTE_BYTES): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxBytes) return text;
  const room = maxBytes - new TextEncoder().encode(CUT).length;
  // a character that was cut in two is left out
  const whole = new TextDecoder().decode(bytes.subarray(0, room), { stream: true });
  const at = BORDERS.map((border) => whole.lastIndexOf(border)).find((i) => i >= whole.length * BORDER_SHARE);
  return `${at === undefined ? whole : whole.slice(0, at)}${CUT}`;
}

/** A collection within this time belongs to the event. */
const RECENT_MS = 60_000;
const DEATHS: ReadonlySet<EventReason> = new Set<EventReason>(['AgentOOMKilled', 'AgentExited']);

/**
 * The note of a Kubernetes Event, at most {@link NOTE_BYTES} bytes. Its reader sees no log and no status beside it, so
 * the note also has the last collection and the next step.
 */
export function eventNote(event: GuardianEvent): string {
  const more = [doneOf(event), nextOf(event)].map((part) => part && ` ${part}`).join('');
  return cutNote(event.note, NOTE_BYTES - new TextEncoder().encode(more).length) + more;
}

function doneOf({ reason, at, status }: GuardianEvent): string {
  const gc = status.lastGc;
  if (!gc?.way || reason === 'GarbageCollected') return '';
  const agoMs = Date.parse(at) - Date.parse(gc.at);
  if (!(agoMs >= 0 && agoMs <= RECENT_MS)) return '';
  return `The last GC, ${formatSeconds(agoMs / 1000)} before, returned ${formatBytes(gc.freedBytes)} (${gc.verdict}).`;
}

/** Of the agent's own end: while it runs, as after the kill of a child, monitoring has not stopped. */
function nextOf({ reason, note, status }: GuardianEvent): string {
  const { lastDeath } = status;
  const ended = DEATHS.has(reason) && lastDeath !== null && note.startsWith(lastDeath.reason);
  return ended ? 'Monitoring resumes when the container restarts.' : '';
}
