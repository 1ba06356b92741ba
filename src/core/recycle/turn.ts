/** FNV-1a's offset and prime. */
const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/**
 * When this replica's turn is among those of its workload, from its pod's name: the same at each start, and far from that
 * of siblings whose names differ in one character.
 * @returns 0…1; `null` outside of a pod
 */
export function turnOf(env: Readonly<Record<string, string | undefined>>): number | null {
  const name = env['POD_NAME'];
  if (!name) return null;
  let hash = OFFSET;
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), PRIME);
  // the last characters have reached the low bits only
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
