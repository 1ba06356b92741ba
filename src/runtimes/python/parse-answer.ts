import { SpillwayError } from '../../core/lib/errors.ts';
import { formatBytes } from '../../core/lib/units.ts';
import type { Collection, Profile, Site } from '../../core/model/heap.ts';

/** What a collection brought in a Python agent; sizes in bytes. */
export interface PythonCollection extends Collection {
  /** Objects found unreachable. */
  unreachable: number;
  /** Whether `malloc_trim` returned pages; `null` where there is none (no glibc, no ctypes). */
  trimmed: boolean | null;
  /** Blocks of memory held by objects, before and after. */
  blocks: [before: number, after: number];
  rssBytes: [before: number, after: number];
}

/**
 * @param stopped what was paused: the `main` thread for the whole script, or, while the hook's own thread collected,
 * `all` threads for want of the interpreter's lock
 * @throws SpillwayError `refused` when the answer is an error or makes no sense
 */
export function parseCollection(answer: string, stopped: 'main' | 'all'): PythonCollection {
  const fields = parseAnswer(answer);
  if (typeof fields['shared'] === 'number')
    throw new SpillwayError(
      'refused',
      `a collection would copy at least ${formatBytes(fields['shared'])} of memory shared with forked processes`,
      { hint: 'call gc.freeze() before the fork (gunicorn with preload_app: in a when_ready hook)' },
    );
  return {
    way: 'full',
    before: null,
    after: null,
    stallMs: size(fields, stopped === 'main' ? 'stallMs' : 'collectMs'),
    workers: 0,
    unreachable: size(fields, 'unreachable'),
    trimmed: typeof fields['trimmed'] === 'boolean' ? fields['trimmed'] : null,
    blocks: [size(fields, 'blocksBefore'), size(fields, 'blocksAfter')],
    rssBytes: [size(fields, 'rssBefore'), size(fields, 'rssAfter')],
  };
}

/** Bytes by site, to compare a later profile with. */
export type PythonBaseline = ReadonlyMap<string, number>;

/**
 * A profile, and what the next is to be compared with: `baseline`, or what this one saw when there is none yet.
 * @throws SpillwayError `refused`
 */
export function parseProfile(
  answer: string,
  baseline: PythonBaseline | null,
): { profile: Profile; baseline: PythonBaseline } {
  const fields = parseAnswer(answer);
  const kind = fields['kind'] === 'function' ? 'function' : 'class';
  const listed = Array.isArray(fields['sites']) ? (fields['sites'] as Record<string, unknown>[]) : [];
  const seen = new Map(listed.map((one) => [keyOf(one), size(one, 'bytes')]));
  const before = baseline ?? seen;
  const sites = listed.map((one): Site => {
    const file = typeof one['file'] === 'string' ? one['file'] : null;
    const bytes = size(one, 'bytes');
    return {
      name: String(one['name']) || '(line)',
      kind,
      file,
      line: typeof one['line'] === 'number' ? one['line'] : null,
      package: file === null ? null : packageOf(file),
      bytes,
      growthBytes: bytes - (before.get(keyOf(one)) ?? 0),
    };
  });
  sites.sort((a, b) => b.growthBytes - a.growthBytes || b.bytes - a.bytes);
  return {
    profile: {
      sites: sites.slice(0, 10),
      sampledMs: null,
      stallMs: size(fields, 'stallMs'),
      file: null,
    },
    baseline: before,
  };
}

/** `/app/.venv/lib/python3.11/site-packages/openai/_client.py` belongs to `openai`. */
function packageOf(file: string): string | null {
  return /\/(?:site|dist)-packages\/([^/]+?)(?:\.py)?(?:\/|$)/.exec(file)?.[1] ?? null;
}

function keyOf(site: Record<string, unknown>): string {
  return `${String(site['file'])}:${String(site['line'])}:${String(site['name'])}`;
}

function size(fields: Record<string, unknown>, key: string): number {
  const value = fields[key];
  if (typeof value === 'number' && value >= 0) return value;
  throw new SpillwayError('refused', `the Python agent's answer has no ${key}`);
}

function parseAnswer(text: string): Record<string, unknown> {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw new SpillwayError('refused', "the Python agent's answer is not JSON", { cause });
  }
  const { ok, error, again } = (answer ?? {}) as { ok?: unknown; error?: unknown; again?: unknown };
  if (typeof ok === 'object' && ok !== null) return ok as Record<string, unknown>;
  const why = again === true ? 'a signal handler of the agent interrupted the work' : String(error);
  throw new SpillwayError('refused', `in the Python agent: ${why}`, { retryable: again === true });
}
