/**
 * The npm package a file belongs to, from its path alone: `zod`, `@scope/name`. What counts is the last `node_modules`,
 * so pnpm's `.pnpm/name@1.0.0/node_modules/name` and the archives of Yarn's Plug'n'Play give the package, not the store.
 * @param path absolute, relative, or a `node:` module
 * @returns `node` for Node's own modules, `null` for a file of the agent's
 */
export function packageOf(path: string): string | null {
  if (path.startsWith('node:')) return 'node';
  const inPackages = pathInPackages(path);
  if (inPackages === null) return null;
  const [first = '', second] = inPackages.split('/');
  return first.startsWith('@') && second ? `${first}/${second}` : first;
}

/** What of a path stands behind the last `node_modules`: `zod/lib/index.js`; `null` where there is none. */
export function pathInPackages(path: string): string | null {
  const found = /(?:^|[\\/])node_modules[\\/](?!.*[\\/]node_modules[\\/])([^.\\/].*)$/.exec(path);
  return found?.[1]?.replaceAll('\\', '/') ?? null;
}

/**
 * The file a script's URL is about: `file:///app/my%20agent.mjs?v=2` is `/app/my agent.mjs`, and a path is itself.
 * @returns `null` where it is no file: built-in, evaluated or WebAssembly code
 */
export function pathOfUrl(url: string): string | null {
  if (url.startsWith('/')) return url;
  if (!url.startsWith('file://')) return null;
  const path = url.slice('file://'.length).replace(/[?#].*$/, '');
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
