import { strayArguments } from '../../config/flags.ts';
import { flagOf } from '../../config/option.ts';
import { type Config, OPTION_LIST } from '../../config/options.ts';
import { checkConfig } from '../../config/resolve.ts';
import { type ProcessRow, scanProcesses } from '../../sources/process-table.ts';

/** Options that every guardian has by itself. */
const OWN = ['--config'];

/** A guardian that runs in the same container: the one that `kubectl exec` was sent beside. */
export interface Beside {
  pid: number;
  /** Since when, in clock ticks since boot. */
  startTime: number;
  /** What stands behind `guard` on its command line. */
  args: string[];
}

/** The running guardian of this container, told by its command line. Only looked at. */
export function guardianBeside(procRoot: string, selfPid: number): Beside | undefined {
  const rows = [...scanProcesses(procRoot, new Map())];
  const group = rows.find(({ pid }) => pid === selfPid)?.group;
  const isGuard = ({ pid, args, group: its }: ProcessRow) =>
    pid !== selfPid && its === group && /(?:^|\/)spillway(?:\.js)?$/.test(args[guardAt(args) - 1] ?? '');
  const found = rows.find(isGuard);
  if (!found) return undefined;
  const { pid, args, stat } = found;
  return { pid, startTime: stat.startTime, args: args.slice(guardAt(args) + 1) };
}

const guardAt = (args: readonly string[]) => args.indexOf('guard');

/**
 * The doctor's configuration with the command line of the running guardian, which `kubectl exec` does not
 * repeat (its environment it does). The doctor's own options count more.
 */
export async function asTold(config: Config, { args }: Beside): Promise<Config> {
  const takesValue = new Map([
    ...OPTION_LIST.map(([key]) => [flagOf(key), true] as const),
    ...OWN.map((flag) => [flag, true] as const),
  ]);
  const { values } = strayArguments(args, takesValue, false);
  const flags = Object.fromEntries(
    OPTION_LIST.map(([key]) => [key, values[flagOf(key)]]).filter(([, value]) => value !== undefined),
  );
  const told = await checkConfig({ flags, file: values['--config'] });
  if (!told.ok) return config;
  const merged: Record<string, unknown> = { ...config };
  for (const [key, option] of OPTION_LIST) {
    const unset = JSON.stringify(config[key]) === JSON.stringify(option.default);
    if (unset) merged[key] = told.resolved.config[key];
  }
  return merged as unknown as Config;
}
