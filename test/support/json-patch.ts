type Container = Record<string, unknown> & unknown[];

/** A value with a patch of RFC 6902 done, as an API server does it; knows `add` and `remove`. */
export function patched(value: unknown, operations: readonly object[]): unknown {
  const root = { value: structuredClone(value) } as unknown as Container;
  for (const { op, path, value: added } of operations as { op: string; path: string; value: unknown }[]) {
    const parts = ['value', ...path.split('/').slice(1)].map((part) =>
      part.replaceAll('~1', '/').replaceAll('~0', '~'),
    );
    const key = parts.pop() ?? '';
    const parent = parts.reduce<Container>((at, part) => at[part as never] as Container, root);
    if (typeof parent !== 'object' || parent === null) throw new Error(`${path}: no such place`);
    if (op === 'remove' && !(key in parent)) throw new Error(`${path}: nothing there`);
    if (Array.isArray(parent)) {
      const index = key === '-' ? parent.length : Number(key);
      if (!(index >= 0 && index <= parent.length)) throw new Error(`${path}: out of the list`);
      parent.splice(index, op === 'remove' ? 1 : 0, ...(op === 'remove' ? [] : [structuredClone(added)]));
    } else if (op === 'remove') delete (parent as Record<string, unknown>)[key];
    else
      Object.defineProperty(parent, key, {
        value: structuredClone(added),
        enumerable: true,
        writable: true,
        configurable: true,
      });
  }
  return root['value' as never];
}
