import { constants } from 'node:fs';
import { access, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf, SpillwayError } from '../core/lib/errors.ts';
import type { AgentInfo } from '../core/model/status.ts';
import { judgeVanished, type PostMortem } from '../core/report/post-mortem.ts';
import { makeDirectory } from './make-directory.ts';

export interface PostMortemStoreOptions {
  /** Where reports are kept, created when missing; without it they live in memory only. One guardian per directory. */
  dir?: string | undefined;
  /** How many reports are kept, in memory and on disk. Default 10. */
  keep?: number;
  /** Whether an agent from before is still there: then only the guardian had died. Default: no. */
  lives?(agent: AgentInfo): boolean;
  /** Told what could not be read or written: each unreadable file, and failing writes once until one works again. */
  onProblem(error: SpillwayError): void;
}

/** Keeps post-mortems. Nothing here throws, and nothing but `open` and `close` makes anybody wait. */
export interface PostMortemStore {
  /**
   * Loads the reports of earlier runs; call once, at the start.
   * @returns the report of an end that the guardian did not live to see, still to be reported; already recorded
   */
  open(): Promise<PostMortem | undefined>;
  /** Keeps a report: in memory at once, as a file soon. */
  record(report: PostMortem): void;
  /** The last reports, newest first. */
  list(): readonly PostMortem[];
  /**
   * Flight recording: keeps `report()` on disk in case guardian and agent end together. Called while pressure lasts; what
   * comes while a write is under way replaces what waits, so `report` runs only when its result is written.
   */
  flight(report: () => PostMortem): void;
  /** Pressure is over: the recording is removed. */
  flightDone(): void;
  /** Waits until all is written, at most `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** The recorder's own files; it never deletes another. */
const REPORT = /^post-mortem-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z-\d+\.json$/;
const FLIGHT = 'flight.json';
/** A report with all readings is below 1 MiB; what is bigger is none of ours. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
/** Most reports looked at on opening, so that a crowded directory does not delay the start. */
const MAX_FILES = 100;

/** No file there; or no directory, which is reported already. */
const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR']);

/** Makes the keeper of post-mortems; call `open` before anything else. */
export function createPostMortemStore(options: PostMortemStoreOptions): PostMortemStore {
  const { dir, keep = 10 } = options;
  /** Newest first. */
  let reports: PostMortem[] = [];
  /** Report files known to be good, in order of time. */
  let files: string[] = [];
  let unwritten: PostMortem[] = [];
  let flight: (() => PostMortem) | 'remove' | undefined;
  let worker: Promise<void> | undefined;
  let failing = false;

  const problem = (what: string, cause: unknown) =>
    options.onProblem(new SpillwayError('record', `record-dir: ${what}: ${messageOf(cause)}`, { cause }));

  /** Runs what touches the disk; a failure is reported once, until something works again. */
  const tryTo = async (what: string, work: () => Promise<void>) => {
    try {
      await work();
      failing = false;
    } catch (error) {
      if (!failing) problem(what, error);
      failing = true;
    }
  };

  const writeReport = async (dir: string, report: PostMortem) => {
    const name = fileName(report);
    await replace(dir, name, report, true);
    files = [...files.filter((each) => each !== name), name].sort();
    for (const old of files.splice(0, files.length - keep)) await rm(join(dir, old), { force: true });
  };

  const work = async (dir: string) => {
    for (;;) {
      const report = unwritten.shift();
      const recording = flight;
      if (report) await tryTo(`${fileName(report)} cannot be written`, () => writeReport(dir, report));
      else if (recording) {
        flight = undefined;
        if (recording === 'remove')
          await tryTo(`${FLIGHT} cannot be removed`, () => rm(join(dir, FLIGHT), { force: true }));
        else await tryTo(`${FLIGHT} cannot be written`, () => replace(dir, FLIGHT, recording(), false));
      } else break;
    }
    worker = undefined;
  };
  const kick = () => {
    if (dir !== undefined) worker ??= Promise.resolve().then(() => work(dir));
  };

  const keepInMemory = (report: PostMortem) => {
    reports = [report, ...reports.filter(({ id }) => id !== report.id)]
      .sort((a, b) => (a.at < b.at ? 1 : -1))
      .slice(0, keep);
  };
  const record = (report: PostMortem) => {
    keepInMemory(report);
    // A disk that hangs must not collect reports without end.
    unwritten = [...unwritten, report].slice(-keep);
    kick();
  };

  /** A report file, or `undefined` when it cannot be used; such a file is reported and stays unchanged. */
  const load = async (dir: string, name: string): Promise<PostMortem | undefined> => {
    try {
      return await readReport(join(dir, name));
    } catch (error) {
      if (!ABSENT.has(errnoOf(error) ?? '')) problem(`${name} cannot be read and stays unchanged`, error);
      return undefined;
    }
  };

  const loadAll = async (dir: string) => {
    await makeDirectory(dir);
    const names = (await readdir(dir)).filter((name) => REPORT.test(name)).sort();
    for (const name of names.slice(-MAX_FILES)) {
      const report = await load(dir, name);
      if (!report) continue;
      files.push(name);
      keepInMemory(report);
    }
    await access(dir, constants.W_OK);
  };

  /** What the last run was recording when it ended, unless its end is already known or was not the agent's. */
  const lostFlight = async (dir: string): Promise<PostMortem | undefined> => {
    const last = await load(dir, FLIGHT);
    if (!last) return undefined;
    const known = reports.some(({ at, agent }) => at >= last.at && agent?.pid === last.agent?.pid);
    flight ??= 'remove';
    return known || (last.agent && options.lives?.(last.agent)) ? undefined : judgeVanished(last);
  };

  return {
    open: async () => {
      if (dir === undefined) return undefined;
      await tryTo(`${dir} cannot be used`, () => loadAll(dir));
      const lost = await lostFlight(dir);
      if (lost) record(lost);
      kick();
      return lost;
    },
    record,
    list: () => reports,
    flight: (report) => {
      if (dir === undefined) return;
      flight = report;
      kick();
    },
    flightDone: () => {
      if (dir === undefined) return;
      flight = 'remove';
      kick();
    },
    close: async (graceMs) => {
      if (!worker) return;
      let timer: NodeJS.Timeout | undefined;
      const over = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([worker, over]);
      clearTimeout(timer);
    },
  };
}

function fileName({ at, agent }: PostMortem): string {
  return `post-mortem-${at.replaceAll(':', '-')}-${agent?.pid ?? 0}.json`;
}

/** Writes the file whole or not at all. `durable`: also when the machine stops right after. */
async function replace(dir: string, name: string, report: PostMortem, durable: boolean): Promise<void> {
  await makeDirectory(dir);
  const path = join(dir, name);
  const part = `${path}.tmp`;
  try {
    const file = await open(part, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(report));
      // The flight recording only has to outlive this process, and syncing it each second would slow a node in need.
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true }).catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

async function readReport(path: string): Promise<PostMortem> {
  const { size } = await stat(path);
  if (size > MAX_FILE_BYTES)
    throw new SpillwayError('record', `${size} bytes exceed the size of a post-mortem`);
  const report: unknown = JSON.parse(await readFile(path, 'utf8'));
  if (!isReport(report)) throw new SpillwayError('record', 'it is not a post-mortem');
  return report;
}

/** Enough of a look that listing and serving it cannot fail. */
function isReport(value: unknown): value is PostMortem {
  if (typeof value !== 'object' || value === null) return false;
  const { id, at, cause, reason, status, readings } = value as Partial<Record<keyof PostMortem, unknown>>;
  return (
    [id, at, cause, reason].every((each) => typeof each === 'string') &&
    typeof status === 'object' &&
    status !== null &&
    Array.isArray(readings)
  );
}
