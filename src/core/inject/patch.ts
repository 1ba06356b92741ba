/** One operation of RFC 6902; `path` in parts, list positions as numbers. */
export type Operation =
  | { op: 'add'; path: readonly (string | number)[]; value: unknown }
  | { op: 'remove'; path: readonly (string | number)[] };

/**
 * What turns one value into another, by keys and list items that come or go; a value that is another is added over the old
 * one. All paths are positions in `before`, so that a text can be edited by them: apply operations from the last to the first,
 * as {@link jsonPatch} lists them.
 */
export function difference(
  before: unknown,
  after: unknown,
  path: readonly (string | number)[] = [],
): Operation[] {
  if (equal(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return listDifference(before, after, path);
  if (!isMap(before) || !isMap(after)) return [{ op: 'add', path, value: after }];
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  return [
    ...gone.map((key) => ({ op: 'remove' as const, path: [...path, key] })),
    ...Object.entries(after).flatMap(([key, value]) =>
      !Object.hasOwn(before, key)
        ? [{ op: 'add' as const, path: [...path, key], value }]
        : difference(before[key], value, [...path, key]),
    ),
  ];
}

/** Items in the middle come or go; what stands before and behind them is the same. */
function listDifference(
  before: readonly unknown[],
  after: readonly unknown[],
  path: readonly (string | number)[],
): Operation[] {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && equal(before[head], after[head])) head++;
  let tail = 0;
  while (tail < shorter - head && equal(before.at(-1 - tail), after.at(-1 - tail))) tail++;
  const gone = before.slice(head, before.length - tail);
  const come = after.slice(head, after.length - tail);
  const pairs = gone.map((item, i) => [item, come[i]] as const);
  if (
    gone.length === come.length &&
    pairs.every(([a, b]) => (isMap(a) && isMap(b)) || (Array.isArray(a) && Array.isArray(b)))
  )
    return pairs.flatMap(([a, b], i) => difference(a, b, [...path, head + i]));
  return [
    ...gone.map((_, i) => ({ op: 'remove' as const, path: [...path, head + i] })),
    ...come.map((value) => ({ op: 'add' as const, path: [...path, head + gone.length], value })),
  ];
}

/** The patch of RFC 6902 as an API server takes it. */
export function jsonPatch(before: unknown, after: unknown): object[] {
  return difference(before, after)
    .reverse()
    .map(({ path, ...operation }) => ({
      ...operation,
      path: path.map((part) => `/${escaped(part)}`).join(''),
    }));
}

/** A value with another in one place of it; the value given is not changed. */
export function replacedAt(
  value: unknown,
  path: readonly (string | number)[],
  replacement: unknown,
): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return replacement;
  if (Array.isArray(value))
    return value.map((item, i) => (i === key ? replacedAt(item, rest, replacement) : item));
  return isMap(value) ? { ...value, [key]: replacedAt(value[key], rest, replacement) } : value;
}

function escaped(part: string | number): string {
  return String(part).replaceAll('~', '~0').replaceAll('/', '~1');
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether two values of JSON are the same. */
export function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (Array.isArray(a) || Array.isArray(b))
    return (
      Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => equal(item, b[i]))
    );
  if (!isMap(a) || !isMap(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]))
  );
}
