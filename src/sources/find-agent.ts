import { SpillwayError } from '../core/lib/errors.ts';
import { clean } from '../core/lib/text.ts';
import { hasEnded } from '../core/proc/proc-text.ts';
import { containerPlace } from './container-name.ts';
import { isKnownProxy } from './known-proxies.ts';
import { ancestorsOf, byAge, isFamily, rootOf } from './lineage.ts';
import { readStat } from './proc-fs.ts';
import {
  argsOf,
  baseName,
  type ProcessCache,
  type ProcessRow,
  scanProcesses,
  shortName,
} from './process-table.ts';

/** Which process to guard; the option `agent`. */
export type AgentSelector =
  | { kind: 'auto' }
  | { kind: 'pid'; pid: number }
  | { kind: 'match'; text: string }
  | { kind: 'container'; name: string };

/** A process that fits. */
export interface FoundAgent {
  pid: number;
  /** Clock ticks since boot; with the pid, it names the process for good. */
  startTime: number;
  name: string;
  /** Its container in the pod's manifest, where that is looked for and its mounts tell. */
  container?: string;
  /** What is worth knowing of how it was found. */
  remark?: string;
}

/** Why there is no agent. */
export type NotFoundCode =
  | 'no_such_process' // with this pid
  | 'no_match' // in no command line
  | 'several_fit'
  | 'none_running' // the pod's processes are shared, and there is none of another container
  | 'none_visible' // of another container
  | 'not_identified' // all are in the guardian's cgroup
  | 'own_container'
  | 'proxy' // runs in this container
  | 'only_proxies'
  | 'not_running' // this container, others are
  | 'names_unknown'; // of several containers

interface NotFound {
  code: NotFoundCode;
  /** In words. */
  reason: string;
  /** What to do about it. */
  hint: string;
}

/** What the search found. */
export type AgentSearch =
  | ({ kind: 'found' } & FoundAgent)
  | ({ kind: 'none' } & NotFound)
  | ({ kind: 'ambiguous'; candidates: FoundAgent[] } & NotFound);

export interface FindAgentOptions {
  /** `/proc`, or a tree that looks like it. */
  procRoot: string;
  /** The guardian's own pid as `procRoot` shows it. */
  selfPid: number;
  selector: AgentSelector;
  /** Kept by the caller between searches, it makes searching a few times a second cheap. */
  cache?: ProcessCache;
}

/** Candidates named in a reason. */
const NAMED = 5;
/** Commands that only hold the namespaces of a pod: Kubernetes, CRI-O, Podman. */
const HOLDERS = new Set(['pause', 'pod', 'catatonit']);
/** Runtimes: in a container's cgroup before its command, which then takes over their process. */
const RUNTIMES = new Set(['runc', 'crun', 'youki']);

/**
 * Looks for the process to guard.
 *
 * `auto` takes the root process of the only other container in the shared process namespace; containers are distinguished
 * by `/proc/PID/cgroup`. `container` takes that of the container with this name in the pod's manifest. `match` takes the
 * topmost process with the text in its command line. None of these takes the guardian, what it started, what started it,
 * threads of the kernel, zombies or a pod's pause process; `auto` and `container` take no known proxy either. `pid` takes
 * what it names.
 * @throws {SpillwayError} `read` when `/proc` cannot be listed or does not show this process
 */
export function findAgent(options: FindAgentOptions): AgentSearch {
  const { procRoot, selfPid, selector, cache = new Map() } = options;
  if (selector.kind === 'pid') return byPid(procRoot, selector.pid);
  const rows = new Map<number, ProcessRow>();
  for (const row of scanProcesses(procRoot, cache)) rows.set(row.pid, row);
  const self = rows.get(selfPid);
  if (!self)
    throw new SpillwayError('read', `${procRoot} does not show this process (pid ${selfPid})`, {
      hint: 'mount the proc file system of its own process namespace',
    });
  const eligible = [...rows.values()].filter((row) => isProgram(row) && !isFamily(row, selfPid, rows));
  if (selector.kind === 'match') return byText(selector.text, eligible, rows);
  const tops = rootsOfOthers(self, eligible, rows);
  const otherwise = () => noOther(eligible, rows);
  if (selector.kind === 'auto') {
    const only = theOnly(
      tops.filter((row) => !isKnownProxy(row)),
      otherwise,
    );
    return only.kind === 'found' ? { ...only, ...containerOf(procRoot, only.pid) } : only;
  }
  return tops.length === 0 ? otherwise() : byContainer(selector.name, selfPid, tops, procRoot);
}

function byPid(procRoot: string, pid: number): AgentSearch {
  const read = readStat(procRoot, pid);
  if (read.kind === 'value' && !hasEnded(read.value)) {
    const { startTime, comm } = read.value;
    return { kind: 'found', pid, startTime, name: shortName(argsOf(procRoot, pid), comm) };
  }
  const why =
    read.kind === 'value' ? 'has ended' : read.kind === 'denied' ? 'is not visible' : 'does not exist';
  return none(
    'no_such_process',
    `process ${pid} ${why}`,
    'set --agent to a living process, or to match:TEXT to follow restarts',
  );
}

function byText(text: string, eligible: ProcessRow[], rows: Map<number, ProcessRow>): AgentSearch {
  const matching = new Set(eligible.filter((row) => row.args.join(' ').includes(text)).map((row) => row.pid));
  const tops = eligible.filter(
    (row) => matching.has(row.pid) && !ancestorsOf(row, rows).some((ancestor) => matching.has(ancestor.pid)),
  );
  return choose(
    tops,
    `have ${JSON.stringify(text)} in their command line`,
    'set --agent to a longer match:TEXT, or to pid:N',
    () =>
      none(
        'no_match',
        `no process has ${JSON.stringify(text)} in its command line`,
        'start the agent, or set --agent match:TEXT to a part of its command line',
      ),
  );
}

/** The root process of each container beside the guardian's own. */
function rootsOfOthers(
  self: ProcessRow,
  eligible: ProcessRow[],
  rows: Map<number, ProcessRow>,
): ProcessRow[] {
  const others = eligible.filter((row) => row.group !== self.group);
  const roots = [...new Set(others.map((row) => row.group))].flatMap((group) =>
    rootOf(others.filter((row) => row.group === group)),
  );
  // A container may have made cgroups inside its own: their processes descend from it and are the same agent.
  const strangers = new Set(others.map((row) => row.pid));
  return roots.filter((root) => !ancestorsOf(root, rows).some((ancestor) => strangers.has(ancestor.pid)));
}

function noOther(eligible: ProcessRow[], rows: Map<number, ProcessRow>): AgentSearch {
  const shared = [...rows.values()].some((row) => row.pid === 1 && isHolder(row));
  if (shared)
    return none(
      'none_running',
      'no process of another container is running',
      'start the agent; the search goes on until then',
    );
  return eligible.length > 0
    ? none(
        'not_identified',
        'every process here shares the cgroup of the guardian, so nothing identifies the agent',
        'set --agent match:TEXT or pid:N, or start the agent with: spillway run -- COMMAND',
      )
    : none(
        'none_visible',
        'no process of another container is visible',
        'set shareProcessNamespace: true in the pod, or start the agent with: spillway run -- COMMAND',
      );
}

function theOnly(tops: ProcessRow[], otherwise: () => AgentSearch): AgentSearch {
  return choose(
    tops,
    'are the roots of their containers',
    'set --agent container:NAME, or match:TEXT to a part of the command line of one',
    otherwise,
  );
}

function byContainer(name: string, selfPid: number, tops: ProcessRow[], procRoot: string): AgentSearch {
  if (containerPlace(procRoot, selfPid)?.container === name)
    return none(
      'own_container',
      `the container "${name}" is the guardian's own`,
      "set --agent container:NAME to the agent's container",
    );
  const places = tops.map((row) => ({ row, container: containerPlace(procRoot, row.pid)?.container }));
  const [fitting] = places.filter(({ container }) => container === name).sort((a, b) => byAge(a.row, b.row));
  if (fitting && isKnownProxy(fitting.row))
    return none(
      'proxy',
      `the container "${name}" runs a proxy (${clean(baseName(fitting.row.args[0] ?? ''))})`,
      "set --agent container:NAME to the agent's container",
    );
  if (fitting) return { kind: 'found', ...foundOf(fitting.row), container: name };
  const told = [...new Set(places.flatMap(({ container }) => container ?? []))].sort();
  if (told.length > 0)
    return none(
      'not_running',
      `no process of the container "${name}" is running (others are: ${told.join(', ')})`,
      'the search goes on; if the name is wrong, set --agent container:NAME',
    );
  const programs = tops.filter((row) => !isKnownProxy(row));
  const [only, ...more] = programs;
  if (programs.length === 0)
    return none(
      'only_proxies',
      'only proxies are running beside the guardian, and the name of their container is unknown',
      'start the agent; the search goes on until then',
    );
  if (only && more.length === 0)
    return {
      kind: 'found',
      ...foundOf(only),
      remark: `container names are unknown here: the only container beside the guardian's own counts as "${name}"`,
    };
  return none(
    'names_unknown',
    `${programs.length} containers are running with unknown names: /proc/PID/mountinfo has no mount below …/pods/UID/containers/NAME`,
    'set --agent match:TEXT to a part of the command line of the agent',
  );
}

function containerOf(procRoot: string, pid: number): { container?: string } {
  const container = containerPlace(procRoot, pid)?.container;
  return container === undefined ? {} : { container };
}

function choose(tops: ProcessRow[], what: string, hint: string, otherwise: () => AgentSearch): AgentSearch {
  const [first, second] = tops.sort(byAge);
  if (!first) return otherwise();
  if (!second) return { kind: 'found', ...foundOf(first) };
  const named = tops.slice(0, NAMED).map((row) => `pid ${row.pid} ${clean(row.args.join(' '), 60)}`);
  const more = tops.length > NAMED ? `, and ${tops.length - NAMED} more` : '';
  const reason = `${tops.length} processes ${what}: ${named.join(', ')}${more}`;
  return { kind: 'ambiguous', code: 'several_fit', candidates: tops.map(foundOf), reason, hint };
}

function isProgram(row: ProcessRow): boolean {
  const command = row.args[0];
  return (
    command !== undefined &&
    !row.stat.kernelThread &&
    !hasEnded(row.stat) &&
    !isHolder(row) &&
    !RUNTIMES.has(baseName(command))
  );
}

function isHolder(row: ProcessRow): boolean {
  const command = row.args[0] ?? '';
  return command === '/pause' || (row.pid === 1 && HOLDERS.has(baseName(command)));
}

function foundOf(row: ProcessRow): FoundAgent {
  return { pid: row.pid, startTime: row.stat.startTime, name: shortName(row.args, row.stat.comm) };
}

function none(code: NotFoundCode, reason: string, hint: string): AgentSearch {
  return { kind: 'none', code, reason, hint };
}
