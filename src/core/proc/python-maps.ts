/** One mapping of a process' memory. Addresses of user space fit a JavaScript number. */
export interface Mapping {
  start: number;
  /** First address behind it. */
  end: number;
  writable: boolean;
  /** Where in the file it begins. */
  offset: number;
  /** As the process sees it; empty for memory without a file. */
  path: string;
}

/** Parses `/proc/PID/maps`: `START-END PERMISSIONS OFFSET DEVICE INODE    PATH`, numbers in hex, sorted by address. */
export function parseMaps(text: string): Mapping[] {
  return [...text.matchAll(/^([\da-f]+)-([\da-f]+) (\S{4}) ([\da-f]+) \S+ \d+ *(.*)$/gm)].map(
    ([, start = '', end = '', permissions = '', offset = '', path = '']) => ({
      start: Number.parseInt(start, 16),
      end: Number.parseInt(end, 16),
      writable: permissions.startsWith('rw'),
      offset: Number.parseInt(offset, 16),
      path,
    }),
  );
}

/** Whether all bytes from `address` on lie in memory that may be read and written, in one mapping or several without a gap. */
export function isWritable(maps: readonly Mapping[], address: number, bytes: number): boolean {
  let reached = address;
  for (const { start, end, writable } of maps) {
    if (!writable || end <= reached) continue;
    if (start > reached) return false;
    reached = end;
    if (reached >= address + bytes) return true;
  }
  return false;
}

/** The files that may hold CPython's runtime: its library where it is used as one, else a program of its name, else the program `exe`. */
export function pythonFiles(maps: readonly Mapping[], exe: string): Mapping[] {
  const starts = maps.filter(({ offset, path }) => offset === 0 && path.startsWith('/'));
  const named = (pattern: RegExp) =>
    starts.filter(({ path }) => pattern.test(path.slice(path.lastIndexOf('/') + 1)));
  return [...named(/^libpython\d/), ...named(/^python/), ...starts.filter(({ path }) => path === exe)];
}
