/** One turn of a conversation: what the user asks for, and the user's own times. */
interface Turn {
  /** Size of the tool output that the question leads to. */
  kilobytes: number;
  /** Time to read the answer before the next question. */
  thinkMs: number;
}

export interface Conversation {
  /** When the user arrives, from the start of the load. */
  atMs: number;
  turns: readonly Turn[];
}

/** How long users arrive: one rush, from calm to calm. */
const ARRIVALS_MS = 36_000;
/** Users a second, at the beginning and at the height of the rush. */
const CALM_PER_SECOND = 1;
const RUSH_PER_SECOND = 36;

/** Everything about a load is drawn here, ahead of it: two agents with the same seed get the same users. */
export function drawLoad(seed: number): Conversation[] {
  const random = mulberry32(seed);
  const between = (least: number, most: number) => Math.round(least + (most - least) * random());
  const conversations: Conversation[] = [];
  // a Poisson process of varying rate: drawn at the highest rate, then thinned out
  for (let atMs = 0; ; ) {
    atMs += (-Math.log(1 - random()) * 1000) / RUSH_PER_SECOND;
    if (atMs > ARRIVALS_MS) return conversations;
    if (random() > rateAt(atMs) / RUSH_PER_SECOND) continue;
    const turns = Array.from({ length: between(2, 3) }, () => ({
      kilobytes: between(700, 1300),
      thinkMs: between(200, 800),
    }));
    conversations.push({ atMs: Math.round(atMs), turns });
  }
}

function rateAt(atMs: number): number {
  const height = (1 - Math.cos((2 * Math.PI * atMs) / ARRIVALS_MS)) / 2;
  return CALM_PER_SECOND + (RUSH_PER_SECOND - CALM_PER_SECOND) * height;
}

/** A small generator of random numbers, 0…1, that a seed determines. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
