/**
 * How long a server asks its clients to wait, in milliseconds: `Retry-After` in seconds or as a date. A date is taken against
 * the server's own clock where it sends one.
 * @param headers of the answer, names in lower case
 * @param nowMs wall clock of this machine
 */
export function askedWaitMs(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  nowMs: number,
): number | undefined {
  const text = String(headers['retry-after'] ?? '').trim();
  if (text === '') return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const now = Date.parse(String(headers['date'] ?? '')) || nowMs;
  const ms = Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
