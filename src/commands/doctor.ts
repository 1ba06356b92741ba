import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { follow } from '../compose/agent.ts';
import type { Config } from '../config/options.ts';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';
import { formatBytes } from '../core/lib/units.ts';
import type { Degraded, DegradedCode } from '../core/model/notice.ts';
import { type Reading, ratioOf } from '../core/model/reading.ts';
import type { AgentProcess } from '../core/ports/ports.ts';
import { makeDirectory } from '../exporters/make-directory.ts';
import type { AgentProcessOptions } from '../sources/agent-process.ts';
import { findAgent } from '../sources/find-agent.ts';
import { makePrivateCgroup } from '../wrap/private-cgroup.ts';
import { adminEndpoint } from './doctor/admin-endpoint.ts';
import { agentChecks } from './doctor/agent-checks.ts';
import { type Check, fail, hintOf, inPod, type Outcome, pass, warn } from './doctor/check.ts';
import { commandChecks } from './doctor/command-checks.ts';
import { asTold, guardianBeside } from './doctor/guardian-beside.ts';
import { containerOf, podChecks, withManifest, withVolume } from './doctor/in-pod.ts';
import { memoryLimit } from './doctor/manifest.ts';

const LIMIT_CHECK = 'memory limit';

export interface Diagnosis {
  /** Whether the guardian can do its main job here: judge an agent's memory against a limit. */
  canGuard: boolean;
  mode: 'sidecar' | 'wrap';
  checks: Check[];
}

/** Prints what the guardian can do here and how to get what is missing. @returns 0 when it can guard, else 1 */
export async function doctorCommand(
  config: Config,
  { json, env }: { json: boolean; env: NodeJS.ProcessEnv },
  write: (text: string) => void,
): Promise<number> {
  const diagnosis = await diagnose(config, env);
  write(json ? `${JSON.stringify(diagnosis, null, 2)}\n` : render(diagnosis));
  return diagnosis.canGuard ? 0 : 1;
}

async function diagnose(given: Config, env: NodeJS.ProcessEnv): Promise<Diagnosis> {
  const cluster = env['KUBERNETES_SERVICE_HOST'] !== undefined;
  const beside = cluster ? guardianBeside('/proc', process.pid) : undefined;
  const config = beside ? await asTold(given, beside) : given;
  const agent = lookForAgent(config);
  const sidecar = cluster || config.agent.kind !== 'auto';
  const mode = agent.life || sidecar ? 'sidecar' : 'wrap';
  const checks: Check[] = [];
  let canGuard = true;
  if (mode === 'sidecar') {
    const found = cluster ? withManifest(agent.found, config, process.pid) : agent.found;
    checks.push({ check: 'agent', ...found });
    canGuard = agent.life !== undefined;
  }
  // without an agent, what a command started from here would meet is what we meet ourselves
  const subject = agent.life ?? { pid: process.pid, sameGroup: false };
  if (mode === 'wrap' || agent.life) {
    const memory = await memoryChecks(config, subject, (life, reading) =>
      agent.life
        ? agentChecks(config, life, reading, { inPod: cluster })
        : commandChecks(config, env, reading),
    );
    checks.push(
      ...(cluster
        ? memory.checks.map((check) => withLimit(check, config, { ...memory, pid: subject.pid }))
        : memory.checks),
    );
    canGuard &&= memory.canRead;
  }
  if (cluster) checks.push(...(await podChecks(config, { env, agentPid: agent.life?.pid, beside })));
  if (!sidecar) checks.push(enforcement());
  checks.push({
    check: 'admin endpoint',
    ...(await adminEndpoint(config, { beside: agent.life !== undefined })),
  });
  const reports = await recording(config);
  checks.push({ check: 'post-mortem directory', ...(cluster ? withVolume(reports, config) : reports) });
  return { canGuard, mode, checks };
}

function lookForAgent(config: Config): {
  life?: { pid: number; startTime: number; sameGroup: boolean };
  found: Outcome;
} {
  try {
    const search = findAgent({ procRoot: '/proc', selfPid: process.pid, selector: config.agent });
    if (search.kind !== 'found') return { found: fail(search.code, search.reason, search.hint) };
    const { pid, startTime, name } = search;
    return {
      life: { pid, startTime, sameGroup: config.agent.kind === 'auto' || config.agent.kind === 'container' },
      found: pass(`pid ${pid} (${name})`),
    };
  } catch (error) {
    return { found: fail(SpillwayError.from(error).code, messageOf(error), hintOf(error)) };
  }
}

/** As much of the machine's memory is the node's own limit, which bounds all pods together, and none of the agent's. */
const NODE_SHARE = 0.8;

/** Where the agent has no limit, the lines that set it: the next check of two above twice what is used. */
function withLimit(check: Check, config: Config, { pid, reading, rssBytes }: Seen & { pid: number }): Check {
  if (check.check !== LIMIT_CHECK || !reading) return check;
  const { limitBytes, usageSource } = reading;
  // what it has is not visible where its cgroup cannot
  if (usageSource === 'rss' || limitBytes < NODE_SHARE * totalmem()) return check;
  const mebibytes = Math.max(256, 2 ** Math.ceil(Math.log2((2 * rssBytes) / 2 ** 20)));
  return {
    check: check.check,
    ...inPod(
      warn(
        'node_limit',
        `no limit of its own: the node has ${formatBytes(limitBytes)}`,
        'set a memory limit on its container',
      ),
      'without it one agent can exhaust the memory of the node, and no kill can be forecast',
      memoryLimit(containerOf(config, pid), mebibytes),
    ),
  };
}

/** What was read of the agent's memory; no reading where it failed. */
interface Seen {
  reading: Reading | undefined;
  rssBytes: number;
}

async function memoryChecks(
  config: Config,
  subject: Pick<AgentProcessOptions, 'pid' | 'sameGroup'>,
  more: (life: AgentProcess, reading: Reading) => Promise<Check[]> | Check[],
): Promise<{ checks: Check[]; canRead: boolean } & Seen> {
  const life = follow(config, { restarts: 0, ...subject });
  try {
    const tree = await life.tree();
    const reading = life.read(performance.now());
    return {
      checks: [
        ...readingChecks(reading, life.degraded(), life.oomKills()),
        processTree(tree.count, tree.rssBytes),
        ...(await more(life, reading)),
      ],
      canRead: true,
      reading: { ...reading },
      rssBytes: tree.rssBytes,
    };
  } catch (error) {
    return {
      checks: [{ check: 'memory', ...fail(SpillwayError.from(error).code, messageOf(error), hintOf(error)) }],
      canRead: false,
      reading: undefined,
      rssBytes: 0,
    };
  } finally {
    life.close();
  }
}

function readingChecks(reading: Reading, degraded: Degraded[], oomKills: number | null): Check[] {
  const hintsOf = (...codes: DegradedCode[]) =>
    degraded
      .filter(({ code }) => codes.includes(code))
      .map(({ message, hint }) => `${message}; ${hint}`)
      .join('; ');
  const fromCgroup = reading.usageSource !== 'rss';
  const realLimit = reading.limitSource !== 'machine';
  return [
    {
      check: LIMIT_CHECK,
      status: realLimit ? 'pass' : 'warn',
      code: realLimit ? 'ok' : 'no_memory_limit',
      detail: `${formatBytes(reading.limitBytes)} from ${reading.limitSource}`,
      hint: realLimit ? hintsOf('limit_above_kernel') : hintsOf('no_memory_limit', 'cgroup_unreadable'),
    },
    {
      check: 'memory usage',
      status: fromCgroup ? 'pass' : 'warn',
      code: fromCgroup ? 'ok' : 'rss_only',
      detail: `${formatBytes(reading.usedBytes)} from ${reading.usageSource}, ratio ${ratioOf(reading).toFixed(2)}`,
      hint: fromCgroup ? '' : hintsOf('cgroup_unreadable', 'shared_cgroup'),
    },
    {
      check: 'OOM kill counter',
      status: oomKills === null ? 'fail' : 'pass',
      code: oomKills === null ? 'not_counted' : 'ok',
      detail: oomKills === null ? 'the kernel counter is not readable' : `${oomKills} so far in its cgroup`,
      hint: oomKills === null ? hintsOf('cgroup_unreadable', 'shared_cgroup') : '',
    },
  ];
}

function processTree(count: number, rssBytes: number): Check {
  const found = count > 0;
  return {
    check: 'process tree',
    status: found ? 'pass' : 'fail',
    code: found ? 'ok' : 'no_proc',
    detail: `${count}, ${formatBytes(rssBytes)} RSS`,
    hint: found ? '' : 'mount /proc',
  };
}

/** Makes a group and removes it again: nothing else shows whether it would work. */
function enforcement(): Check {
  const check = 'limit enforcement';
  if (process.platform !== 'linux')
    return {
      check,
      ...fail('needs_linux', 'needs Linux cgroups', 'none: the limit is monitored, not enforced'),
    };
  const { group, reasons } = makePrivateCgroup({ limitBytes: 64 * 2 ** 20 });
  if (!group)
    return { check, ...warn('not_enforced', reasons.slice(0, -1).join('; '), reasons.at(-1) ?? '') };
  void group.remove().catch(() => {}); // empty: gone with the next start's clean-up at the latest
  return {
    check,
    ...pass(`cgroup v${group.version} under ${group.directory.replace(/\/[^/]+$/, '')}`),
  };
}

async function recording({ recordDir }: Config): Promise<Outcome> {
  if (recordDir === undefined)
    return warn(
      'in_memory',
      'in memory only',
      'set --record-dir to a writable directory that outlives the guardian',
    );
  try {
    await makeDirectory(recordDir);
    await access(recordDir, constants.W_OK);
    return pass(recordDir);
  } catch (error) {
    return fail(
      'not_writable',
      messageOf(error),
      `make ${recordDir} writable for uid ${process.getuid?.() ?? '?'}`,
    );
  }
}

function render({ canGuard, mode, checks }: Diagnosis): string {
  const mark = { pass: '✓', warn: '~', fail: '✗' };
  const width = Math.max(...checks.map(({ check }) => check.length));
  const below = ' '.repeat(width + 4);
  const lines = checks.flatMap(({ check, status, detail, hint, why, yaml }) => [
    `${mark[status]} ${check.padEnd(width)}  ${detail}`,
    ...(hint ? [`${below}→ ${hint}`] : []),
    ...(why ? [`${below}  ${why}`] : []),
    ...(yaml
      ? yaml
          .trimEnd()
          .split('\n')
          .map((line) => `${below}    ${line}`)
      : []),
  ]);
  const verdict = canGuard
    ? mode === 'wrap'
      ? 'Spillway can guard commands started here: spillway run -- COMMAND'
      : 'Spillway can guard this agent.'
    : 'Spillway cannot guard an agent here.';
  return `${lines.join('\n')}\n\n${verdict}\n`;
}
