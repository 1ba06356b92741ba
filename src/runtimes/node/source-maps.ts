import { constants } from 'node:fs';
import { open, readlink } from 'node:fs/promises';
import { posix } from 'node:path';
import { pathInPackages, pathOfUrl } from '../../core/report/package-of.ts';
import { type RawSite, siteKey } from '../../core/report/sites.ts';
import { type FindPlaces, type Place, placeAsRun } from '../../core/report/top-sites.ts';
import { identifierAt, lineInSource, namePosition } from './parse-function-name.ts';
import { type Origin, originsOf, type Position, type SourceMap, sourceMapUrl } from './parse-source-map.ts';

export interface SourceMapOptions {
  /** Default `/proc`. */
  procRoot?: string;
  pid: number;
  /** Whether the agent sees the same files as we do (wrap mode): then they are looked for without `/proc/PID/root` too. */
  sameFiles?: boolean;
  /**
   * Scripts and maps bigger than this are skipped. Default 8 MiB: reading one of that size blocks for some tens of
   * milliseconds and takes twice its size in memory for as long.
   */
  maxBytes?: number;
  /** Time limit for one call; default 2 s. What is not found by then keeps V8's name. */
  timeoutMs?: number;
}

const MAX_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 2000;
const MAX_CACHED = 1000;
/** Of a script that is too big, the end tells where its map is. */
const TAIL_BYTES = 4096;

/**
 * Follows the source maps of an agent's scripts: beside the script or within it, read through the agent's own view of
 * its files. Files are read when a function is first asked for; only answers are kept. Never throws.
 */
export function createSourceMaps(options: SourceMapOptions): FindPlaces {
  const {
    procRoot = '/proc',
    pid,
    sameFiles = false,
    maxBytes = MAX_BYTES,
    timeoutMs = TIMEOUT_MS,
  } = options;
  const roots = [`${procRoot}/${pid}/root`, ...(sameFiles ? [''] : [])];
  const cached = new Map<string, Place>();

  const look = async (sites: readonly RawSite[]) => {
    const cwd = await readlink(`${procRoot}/${pid}/cwd`).catch(() => null);
    const unknown = sites.filter((site) => !cached.has(siteKey(site)));
    for (const url of new Set(unknown.map((site) => site.url))) {
      const ofScript = unknown.filter((site) => site.url === url);
      const read: Read = (path) => readAgentFile(roots, path, maxBytes);
      const places = await placesIn(url, ofScript, read).catch(() => ofScript.map(placeAsRun));
      places.forEach((place, i) => {
        const site = ofScript[i];
        if (site) cached.set(siteKey(site), { ...place, file: shortened(place, cwd) });
      });
    }
  };
  return async (sites) => {
    if (cached.size > MAX_CACHED) cached.clear();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([look(sites).catch(() => undefined), late]);
    clearTimeout(timer);
    return sites.map((site) => cached.get(siteKey(site)) ?? placeAsRun(site));
  };
}

/** A file's text, or its end where it is too big; `null` where there is none. */
type Read = (path: string) => Promise<{ text: string; whole: boolean } | null>;

/** Places of functions that are in one script; those of no file stay as V8 names them. */
async function placesIn(url: string, sites: readonly RawSite[], read: Read): Promise<Place[]> {
  const path = pathOfUrl(url);
  if (path === null) return sites.map(placeAsRun);
  const asRun = sites.map((site) => ({ ...placeAsRun(site), file: path, path }));
  const script = await read(path);
  if (!script) return asRun;
  const starts = sites.map(({ line, column }) => ({ line: line - 1, column: column - 1 }));
  const map = await mapOf(path, script.text, read).catch(() => null); // what makes no sense is no map
  if (map) {
    const named = starts.map((at, i) =>
      script.whole ? namePosition(script.text, at, sites[i]?.name ?? '') : null,
    );
    return mapped(asRun, map, path, { starts, named });
  }
  if (!script.whole || !/\.[cm]?tsx?$/.test(path)) return asRun;
  return asRun.map((place, i) => {
    const at = starts[i];
    return { ...place, line: at ? lineInSource(script.text, at, place.name) : null };
  });
}

function mapped(
  asRun: readonly Place[],
  map: SourceMap,
  scriptPath: string,
  { starts, named }: { starts: readonly Position[]; named: readonly (Position | null)[] },
): Place[] {
  const origins = originsOf(map, [...starts, ...starts.map((start, i) => named[i] ?? start)]);
  return asRun.map((place, i) => {
    const ofStart = origins[i];
    const ofName = named[i] ? origins[asRun.length + i] : null;
    const origin = ofName?.exact ? ofName : ofStart;
    if (!origin) return place;
    const path = sourcePath(origin, scriptPath);
    return { name: nameAt(ofName) ?? place.name, file: path, line: origin.line + 1, path };
  });
}

/** A function's name in its source: what the map says, else what stands there. */
function nameAt(origin: Origin | null | undefined): string | null {
  return origin?.exact ? (origin.name ?? identifierAt(origin.text, origin.column)) : null;
}

/** `webpack://app/./src/agent.ts` is `src/agent.ts`; what is relative is relative to the map. */
function sourcePath({ source }: Origin, scriptPath: string): string {
  const scheme = /^[a-z][\w.+-]*:\/\/[^/]*\//i.exec(source);
  if (!scheme) return posix.resolve(posix.dirname(scriptPath), source);
  return pathOfUrl(source) ?? posix.normalize(source.slice(scheme[0].length));
}

/** For people: from the agent's working directory on, and from `node_modules` on in packages. */
function shortened({ file, path }: Place, cwd: string | null): string | null {
  const inPackages = file === null ? null : pathInPackages(path);
  if (inPackages !== null) return `node_modules/${inPackages}`;
  if (file === null || cwd === null || cwd === '/') return file;
  return file.startsWith(`${cwd}/`) ? file.slice(cwd.length + 1) : file;
}

async function mapOf(scriptPath: string, script: string, read: Read): Promise<SourceMap | null> {
  const url = sourceMapUrl(script);
  if (url === null) return null;
  const text = url.startsWith('data:')
    ? inlineText(url)
    : await read(pathOfUrl(url) ?? posix.resolve(posix.dirname(scriptPath), decodeURI(url))).then((file) =>
        file?.whole ? file.text : null,
      );
  if (text === null) return null;
  // some tools put a line before it, against its being run as a script
  const map: unknown = JSON.parse(text.replace(/^\)\]\}'[^\n]*\n/, ''));
  return typeof map === 'object' ? map : null;
}

function inlineText(url: string): string | null {
  const comma = url.indexOf(',');
  if (comma < 0) return null;
  const body = url.slice(comma + 1);
  return url.slice(0, comma).endsWith(';base64')
    ? Buffer.from(body, 'base64').toString()
    : decodeURIComponent(body);
}

async function readAgentFile(roots: readonly string[], path: string, maxBytes: number): ReturnType<Read> {
  for (const root of roots) {
    try {
      // not to wait for a writer, should it be a pipe
      const file = await open(root + path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const stat = await file.stat();
        if (!stat.isFile()) continue;
        const whole = stat.size <= maxBytes;
        const length = whole ? stat.size : TAIL_BYTES;
        const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, stat.size - length);
        return { text: buffer.toString('utf8', 0, bytesRead), whole };
      } finally {
        await file.close();
      }
    } catch {
      // not to be seen from here: the next root, or the script as V8 names it
    }
  }
  return null;
}
