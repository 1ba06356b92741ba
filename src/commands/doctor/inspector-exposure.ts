import { clean } from '../../core/lib/text.ts';
import { scanProcesses } from '../../sources/process-table.ts';
import { type Outcome, pass, warn } from './check.ts';
import { identityOf } from './identity.ts';
import { isHolder } from './in-pod.ts';

/** As many are named. */
const NAMED = 3;

/**
 * Who beside the agent's own user reaches 127.0.0.1, where a Node agent's inspector listens while it is open: it asks for no password, and
 * gives out and runs whatever the agent could. Root is left out, who can do that anyway, and so are processes that are not visible from here.
 */
export function inspectorReach(procRoot: string, agentPid: number): Outcome {
  const agent = identityOf(procRoot, agentPid);
  const strangers = new Set<string>();
  for (const row of scanProcesses(procRoot, new Map())) {
    if (row.args.length === 0 || isHolder(row)) continue;
    const uid = identityOf(procRoot, row.pid)?.uid;
    if (uid === undefined || uid === 0 || uid === agent?.uid) continue;
    strangers.add(clean(`${row.args[0]?.split('/').at(-1)} (uid ${uid})`));
  }
  if (strangers.size === 0) return pass('only root and the user of the agent have processes here');
  const names = [...strangers];
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return warn(
    'reachable_for_others',
    `an open inspector at 127.0.0.1 is also reachable for ${names.slice(0, NAMED).join(', ')}${more}`,
    'run untrusted ones elsewhere, or set --gc inspect-only: it never opens the inspector',
  );
}
