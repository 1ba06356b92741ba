import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { follow } from '../compose.ts';
import type { Config } from '../config/options.ts';
import { messageOf } from '../core/lib/errors.ts';
import { formatBytes } from '../core/lib/units.ts';
import { type Reading, ratioOf } from '../core/model/reading.ts';
import type { AgentLife } from '../core/ports/ports.ts';
import { makeDirectory } from '../exporters/make-directory.ts';
import type { AgentLifeOptions } from '../sources/agent-process.ts';
import { findAgent } from '../sources/find-agent.ts';
import { makePrivateCgroup } from '../wrap/private-cgroup.ts';
import { agentPowers } from './doctor/agent-powers.ts';
import { commandPowers } from './doctor/command-powers.ts';
import { asTold, guardianBeside } from './doctor/guardian-beside.ts';
import { containerOf, podPowers, withManifest, withVolume } from './doctor/in-pod.ts';
import { memoryLimit } from './doctor/manifest.ts';
import { type Ability, inPod, mendOf, no, type Power, partly, yes } from './doctor/power.ts';
import { takingRequests } from './doctor/requests.ts';

const LIMIT_POWER = 'read its memory limit';

export interface Diagnosis {
  /** Whether the guardian can do its main job here: judge an agent's memory against a limit. */
  canGuard: boolean;
  mode: 'sidecar' | 'wrap';
  powers: Power[];
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
  const powers: Power[] = [];
  let canGuard = true;
  if (mode === 'sidecar') {
    const found = cluster ? withManifest(agent.found, config, process.pid) : agent.found;
    powers.push({ power: 'find the agent', ...found });
    canGuard = agent.life !== undefined;
  }
  // without an agent, what a command started from here would meet is what we meet ourselves
  const subject = agent.life ?? { pid: process.pid, sameGroup: false };
  if (mode === 'wrap' || agent.life) {
    const memory = await memoryPowers(config, subject, (life, reading) =>
      agent.life
        ? agentPowers(config, life, reading, { inPod: cluster })
        : commandPowers(config, env, reading),
    );
    powers.push(
      ...(cluster
        ? memory.powers.map((power) => withLimit(power, config, { ...memory, pid: subject.pid }))
        : memory.powers),
    );
    canGuard &&= memory.canRead;
  }
  if (cluster) powers.push(...(await podPowers(config, { env, agentPid: agent.life?.pid, beside })));
  if (!sidecar) powers.push(enforcement());
  powers.push({
    power: 'take requests to act',
    ...(await takingRequests(config, { beside: agent.life !== undefined })),
  });
  const reports = await recording(config);
  powers.push({ power: 'keep reports of deaths', ...(cluster ? withVolume(reports, config) : reports) });
  return { canGuard, mode, powers };
}

function lookForAgent(config: Config): {
  life?: { pid: number; startTime: number; sameGroup: boolean };
  found: Ability;
} {
  try {
    const search = findAgent({ procRoot: '/proc', selfPid: process.pid, selector: config.agent });
    if (search.kind !== 'found') return { found: no(search.reason, search.mend) };
    const { pid, startTime, name } = search;
    return {
      life: { pid, startTime, sameGroup: config.agent.kind === 'auto' || config.agent.kind === 'container' },
      found: yes(`pid ${pid} (${name})`),
    };
  } catch (error) {
    return { found: no(messageOf(error), mendOf(error)) };
  }
}

/** As much of the machine's memory is the node's own limit, which bounds all pods together, and none of the agent's. */
const NODE_SHARE = 0.8;

/** Where the agent has no limit, the lines that set it: the next power of two above twice what is used. */
function withLimit(power: Power, config: Config, { pid, reading, rssBytes }: Seen & { pid: number }): Power {
  if (power.power !== LIMIT_POWER || !reading) return power;
  const { limitBytes, usageSource } = reading;
  // what it has cannot be seen where its cgroup cannot
  if (usageSource === 'rss' || limitBytes < NODE_SHARE * totalmem()) return power;
  const mebibytes = Math.max(256, 2 ** Math.ceil(Math.log2((2 * rssBytes) / 2 ** 20)));
  return {
    power: power.power,
    ...inPod(
      partly(
        `none of its own: ${formatBytes(limitBytes)} are the node's`,
        'set a memory limit on its container',
      ),
      'without it one agent can take the memory of the node, and no kill can be foreseen',
      memoryLimit(containerOf(config, pid), mebibytes),
    ),
  };
}

/** What was read of the agent's memory; no reading where it failed. */
interface Seen {
  reading: Reading | undefined;
  rssBytes: number;
}

async function memoryPowers(
  config: Config,
  subject: Pick<AgentLifeOptions, 'pid' | 'sameGroup'>,
  more: (life: AgentLife, reading: Reading) => Promise<Power[]> | Power[],
): Promise<{ powers: Power[]; canRead: boolean } & Seen> {
  const life = follow(config, { restarts: 0, ...subject });
  try {
    const tree = await life.tree();
    const reading = life.read(performance.now());
    return {
      powers: [
        ...readingPowers(reading, life.degraded(), life.oomKills()),
        processPower(tree.count, tree.rssBytes),
        ...(await more(life, reading)),
      ],
      canRead: true,
      reading: { ...reading },
      rssBytes: tree.rssBytes,
    };
  } catch (error) {
    return {
      powers: [{ power: 'read its memory', has: 'no', detail: messageOf(error), mend: mendOf(error) }],
      canRead: false,
      reading: undefined,
      rssBytes: 0,
    };
  } finally {
    life.close();
  }
}

function readingPowers(reading: Reading, degraded: string[], oomKills: number | null): Power[] {
  const why = (about: RegExp) => degraded.filter((reason) => about.test(reason)).join('; ');
  const fromCgroup = reading.usageSource !== 'rss';
  const realLimit = reading.limitSource !== 'machine';
  return [
    {
      power: LIMIT_POWER,
      has: realLimit ? 'yes' : 'partly',
      detail: `${formatBytes(reading.limitBytes)} from ${reading.limitSource}`,
      mend: realLimit ? why(/--limit .* above/) : why(/limit/),
    },
    {
      power: 'read its memory use',
      has: fromCgroup ? 'yes' : 'partly',
      detail: `${formatBytes(reading.usedBytes)} from ${reading.usageSource}, ratio ${ratioOf(reading).toFixed(2)}`,
      mend: fromCgroup ? '' : why(/cgroup/),
    },
    {
      power: 'see OOM kills',
      has: oomKills === null ? 'no' : 'yes',
      detail: oomKills === null ? 'the kernel counter cannot be read' : `${oomKills} so far in its cgroup`,
      mend: oomKills === null ? why(/cgroup/) : '',
    },
  ];
}

function processPower(count: number, rssBytes: number): Power {
  const has = count > 0 ? 'yes' : 'no';
  return {
    power: 'see its processes',
    has,
    detail: `${count}, ${formatBytes(rssBytes)} RSS`,
    mend: has === 'yes' ? '' : 'mount /proc',
  };
}

/** Makes a group and removes it again: nothing else shows whether it would work. */
function enforcement(): Power {
  const power = 'enforce --limit';
  if (process.platform !== 'linux')
    return {
      power,
      has: 'no',
      detail: 'needs Linux cgroups',
      mend: 'none: the number is guarded, not enforced',
    };
  const { group, reasons } = makePrivateCgroup({ limitBytes: 64 * 2 ** 20 });
  if (!group)
    return { power, has: 'partly', detail: reasons.slice(0, -1).join('; '), mend: reasons.at(-1) ?? '' };
  void group.remove().catch(() => {}); // empty: gone with the next start's clean-up at the latest
  return {
    power,
    has: 'yes',
    detail: `cgroup v${group.version} under ${group.directory.replace(/\/[^/]+$/, '')}`,
    mend: '',
  };
}

async function recording({ recordDir }: Config): Promise<Ability> {
  if (recordDir === undefined)
    return partly('in memory only', 'set --record-dir to a writable directory that outlives the guardian');
  try {
    await makeDirectory(recordDir);
    await access(recordDir, constants.W_OK);
    return yes(recordDir);
  } catch (error) {
    return no(messageOf(error), `make ${recordDir} writable for uid ${process.getuid?.() ?? '?'}`);
  }
}

function render({ canGuard, mode, powers }: Diagnosis): string {
  const mark = { yes: '✓', partly: '~', no: '✗' };
  const width = Math.max(...powers.map(({ power }) => power.length));
  const below = ' '.repeat(width + 4);
  const lines = powers.flatMap(({ power, has, detail, mend, why, yaml }) => [
    `${mark[has]} ${power.padEnd(width)}  ${detail}`,
    ...(mend ? [`${below}→ ${mend}`] : []),
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
      ? 'It can guard a command started here: spillway run -- COMMAND'
      : 'It can guard this agent.'
    : 'It cannot guard here.';
  return `${lines.join('\n')}\n\n${verdict}\n`;
}
