import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { makeDirectory } from '../actions/make-directory.ts';
import { makePrivateCgroup } from '../actions/wrap/private-cgroup.ts';
import { follow } from '../build.ts';
import type { Config } from '../config/options.ts';
import { messageOf } from '../core/errors.ts';
import type { AgentLife } from '../core/ports.ts';
import { type Reading, ratioOf } from '../core/reading.ts';
import { formatBytes } from '../core/units.ts';
import type { AgentLifeOptions } from '../sources/agent-life.ts';
import { findAgent } from '../sources/find-agent.ts';
import { agentPowers } from './doctor/agent-powers.ts';
import { commandPowers } from './doctor/command-powers.ts';
import { mendOf, type Power } from './doctor/power.ts';
import { takingRequests } from './doctor/requests.ts';

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

async function diagnose(config: Config, env: NodeJS.ProcessEnv): Promise<Diagnosis> {
  const agent = lookForAgent(config);
  const inPod = env['KUBERNETES_SERVICE_HOST'] !== undefined || config.agent.kind !== 'auto';
  const mode = agent.life || inPod ? 'sidecar' : 'wrap';
  const powers: Power[] = [];
  let canGuard = true;
  if (mode === 'sidecar') {
    powers.push(agent.power);
    canGuard = agent.life !== undefined;
  }
  // without an agent, what a command started from here would meet is what we meet ourselves
  const subject = agent.life ?? { pid: process.pid, sameGroup: false };
  if (mode === 'wrap' || agent.life) {
    const memory = await memoryPowers(config, subject, (life, reading) =>
      agent.life ? agentPowers(config, life, reading) : commandPowers(config, env, reading),
    );
    powers.push(...memory.powers);
    canGuard &&= memory.canRead;
  }
  if (!inPod) powers.push(enforcement());
  powers.push({
    power: 'take requests to act',
    ...(await takingRequests(config, { beside: agent.life !== undefined })),
  });
  powers.push(await recording(config));
  return { canGuard, mode, powers };
}

function lookForAgent(config: Config): {
  life?: { pid: number; startTime: number; sameGroup: boolean };
  power: Power;
} {
  const power = 'find the agent';
  try {
    const search = findAgent({ procRoot: '/proc', selfPid: process.pid, selector: config.agent });
    if (search.kind !== 'found')
      return { power: { power, has: 'no', detail: search.reason, mend: search.mend } };
    const { pid, startTime, name } = search;
    return {
      life: { pid, startTime, sameGroup: config.agent.kind === 'auto' },
      power: { power, has: 'yes', detail: `pid ${pid} (${name})`, mend: '' },
    };
  } catch (error) {
    return { power: { power, has: 'no', detail: messageOf(error), mend: mendOf(error) } };
  }
}

async function memoryPowers(
  config: Config,
  subject: Pick<AgentLifeOptions, 'pid' | 'sameGroup'>,
  more: (life: AgentLife, reading: Reading) => Promise<Power[]> | Power[],
): Promise<{ powers: Power[]; canRead: boolean }> {
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
    };
  } catch (error) {
    return {
      powers: [{ power: 'read its memory', has: 'no', detail: messageOf(error), mend: mendOf(error) }],
      canRead: false,
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
      power: 'read its memory limit',
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

async function recording({ recordDir }: Config): Promise<Power> {
  const power = 'keep reports of deaths';
  if (recordDir === undefined)
    return {
      power,
      has: 'partly',
      detail: 'in memory only',
      mend: 'set --record-dir to a writable directory that outlives the guardian',
    };
  try {
    await makeDirectory(recordDir);
    await access(recordDir, constants.W_OK);
    return { power, has: 'yes', detail: recordDir, mend: '' };
  } catch (error) {
    return {
      power,
      has: 'no',
      detail: messageOf(error),
      mend: `make ${recordDir} writable for uid ${process.getuid?.() ?? '?'}`,
    };
  }
}

function render({ canGuard, mode, powers }: Diagnosis): string {
  const mark = { yes: '✓', partly: '~', no: '✗' };
  const width = Math.max(...powers.map(({ power }) => power.length));
  const lines = powers.flatMap(({ power, has, detail, mend }) => [
    `${mark[has]} ${power.padEnd(width)}  ${detail}`,
    ...(mend ? [`  ${' '.repeat(width)}  → ${mend}`] : []),
  ]);
  const verdict = canGuard
    ? mode === 'wrap'
      ? 'It can guard a command started here: spillway run -- COMMAND'
      : 'It can guard this agent.'
    : 'It cannot guard here.';
  return `${lines.join('\n')}\n\n${verdict}\n`;
}
