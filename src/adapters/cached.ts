// Answers are made once and shared by many responses, so that a flood of requests costs little more than one.

/** Rebuilt when the version is another. */
export function cachedByVersion<T>(version: () => number, make: () => T): () => T {
  let cache: { value: T; version: number } | undefined;
  return () => {
    const wanted = version();
    if (cache?.version !== wanted) cache = { value: make(), version: wanted };
    return cache.value;
  };
}

/** Rebuilt when older than `maxAgeMs`. */
export function cachedForMs<T>(maxAgeMs: number, make: () => T): () => T {
  let cache: { value: T; untilMs: number } | undefined;
  return () => {
    const nowMs = performance.now();
    if (cache === undefined || nowMs >= cache.untilMs) cache = { value: make(), untilMs: nowMs + maxAgeMs };
    return cache.value;
  };
}

/** Made once for each object, and kept as long as the object. */
export function cachedByObject(make: (object: object) => Buffer): (object: object) => Buffer {
  const cache = new WeakMap<object, Buffer>();
  return (object) => {
    const made = cache.get(object) ?? make(object);
    cache.set(object, made);
    return made;
  };
}
