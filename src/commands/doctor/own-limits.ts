import { readFileSync } from 'node:fs';
import { formatBytes } from '../../core/lib/units.ts';
import { fail, inPod, type Outcome, pass, warn } from './check.ts';
import { noCpuLimit, ownMemory } from './manifest.ts';

const MIB = 2 ** 20;
/** What the chart gives; measured with the image: see test/image/memory.test.ts. */
const RECOMMENDED_BYTES = 128 * MIB;
/** Below this it reads pages of its own code again and again while it works. */
const SMALLEST_BYTES = 96 * MIB;
/** Of its periods of 100 ms, those in which it had to wait: more than these make readiness late. */
const THROTTLED = 0.05;
/** Of less than this share of a processor, a probe's answer takes a period or more under load. */
const LITTLE_CPU = 0.1;
/** What v1 says for "no limit", and what is above the memory of any machine. */
const UNLIMITED = 2 ** 60;

/** Whether the guardian's own memory limit leaves it room. @param root its `/sys/fs/cgroup` */
export function ownMemoryCheck(root = '/sys/fs/cgroup'): Outcome {
  const limit = numberIn(`${root}/memory.max`) ?? numberIn(`${root}/memory/memory.limit_in_bytes`);
  const kills =
    counter(`${root}/memory.events`, 'oom_kill') ??
    counter(`${root}/memory/memory.oom_control`, 'oom_kill') ??
    0;
  const said = limit === undefined || limit > UNLIMITED ? 'no limit' : `limit ${formatBytes(limit)}`;
  const why = 'a killed or thrashing guardian makes a healthy agent un-ready';
  const lines = ownMemory('128Mi', '128Mi');
  const hint = `give the sidecar ${formatBytes(RECOMMENDED_BYTES)}`;
  if (kills > 0)
    return inPod(fail('oom_killed', `${said}, with ${kills} OOM kills in its cgroup`, hint), why, lines);
  if (limit !== undefined && limit < SMALLEST_BYTES)
    return inPod(
      fail('too_small', `${said}: the minimum is ${formatBytes(SMALLEST_BYTES)}`, hint),
      why,
      lines,
    );
  if (limit !== undefined && limit < RECOMMENDED_BYTES)
    return inPod(warn('tight', `${said}: tight under a flood of requests`, hint), why, lines);
  return pass(said);
}

/** Whether the guardian is kept from running when it has to. @param root its `/sys/fs/cgroup` */
export function ownCpuCheck(root = '/sys/fs/cgroup'): Outcome {
  const [quota, period] = cpuQuota(root);
  if (quota === undefined) return pass('no limit');
  const share = quota / period;
  const [stat] = [`${root}/cpu.stat`, `${root}/cpu/cpu.stat`, `${root}/cpu,cpuacct/cpu.stat`].filter(
    (file) => counter(file, 'nr_periods') !== undefined,
  );
  const periods = counter(stat ?? '', 'nr_periods') ?? 0;
  const throttled = periods > 0 ? (counter(stat ?? '', 'nr_throttled') ?? 0) / periods : 0;
  const detail = `limit ${Math.round(share * 1000)}m, throttled in ${(throttled * 100).toFixed(1)} % of its periods`;
  if (share >= LITTLE_CPU && throttled <= THROTTLED) return pass(detail);
  return inPod(
    warn(
      'throttled',
      detail,
      'remove limits.cpu of the sidecar, or set it to 500m where a quota requires one',
    ),
    'each throttled period delays readings and answers by up to 100 ms; a burst fills the limit in 26 ms',
    noCpuLimit(),
  );
}

function cpuQuota(root: string): [quota: number | undefined, period: number] {
  const [quota, period] = textOf(`${root}/cpu.max`)?.trim().split(' ') ?? [];
  if (quota !== undefined) return [quota === 'max' ? undefined : Number(quota), Number(period)];
  for (const folder of ['cpu', 'cpu,cpuacct']) {
    const value = numberIn(`${root}/${folder}/cpu.cfs_quota_us`);
    if (value !== undefined && value > 0)
      return [value, numberIn(`${root}/${folder}/cpu.cfs_period_us`) ?? 100_000];
  }
  return [undefined, 100_000];
}

function numberIn(file: string): number | undefined {
  const text = textOf(file)?.trim();
  return text === undefined || !/^-?\d+$/.test(text) ? undefined : Number(text);
}

function counter(file: string, name: string): number | undefined {
  const value = new RegExp(`^${name} (\\d+)$`, 'm').exec(textOf(file) ?? '')?.[1];
  return value === undefined ? undefined : Number(value);
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return undefined; // the other version of cgroups, or none
  }
}
