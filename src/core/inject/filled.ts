/** Leaves out those of the keys that hold nothing (any more). */
export function whereFilled<T extends object>(
  fields: T,
  ...keys: (keyof T)[]
): { [K in keyof T]?: NonNullable<T[K]> } {
  const kept = Object.entries(fields).filter(
    ([key, value]) =>
      !keys.includes(key as keyof T) ||
      (value != null && (typeof value !== 'object' || Object.keys(value).length > 0)),
  );
  return Object.fromEntries(kept) as { [K in keyof T]?: NonNullable<T[K]> };
}
