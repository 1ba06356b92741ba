import { SpillwayError } from '../../core/lib/errors.ts';
import { argsOf } from '../../sources/process-table.ts';
import { isWritable, type ProbeOptions, type RuntimeProbe } from '../probe.ts';
import { openTmp, socketExists } from './files.ts';
import { checkSignal, findJvm } from './target.ts';

/** @throws SpillwayError `refused`, with the hint */
export async function probeJvm(pid: number, { procRoot }: ProbeOptions): Promise<RuntimeProbe> {
  const ids = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const target = findJvm(procRoot, pid, undefined, ids);
  const noGc = argsOf(procRoot, pid).includes('-XX:+DisableExplicitGC')
    ? {
        noGc: {
          code: 'explicit_gc_disabled' as const,
          detail: 'the JVM runs with -XX:+DisableExplicitGC',
          hint: 'remove -XX:+DisableExplicitGC',
        },
      }
    : {};
  if (socketExists(target))
    return { code: 'attach_open', detail: 'attach protocol, its socket is open', ...noGc };
  const tmp = openTmp(target);
  try {
    if (!isWritable(tmp.path('.')))
      throw new SpillwayError('refused', "the agent's /tmp is not writable", {
        hint: 'give the agent a writable /tmp (an emptyDir)',
      });
  } finally {
    tmp.close();
  }
  checkSignal(target);
  return { code: 'attach', detail: 'attach protocol', ...noGc };
}
