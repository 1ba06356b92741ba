import { statSync } from 'node:fs';
import { errnoOf, messageOf } from '../../core/lib/errors.ts';
import { fail, inPod, type Outcome, pass } from './check.ts';
import { capabilityNames, type Identity, identityOf, isPrivileged } from './identity.ts';
import { sameUser, unprivileged } from './manifest.ts';

const WHY =
  'without it the guardian cannot read the cgroup: usage is the sum of RSS, OOM kills are not counted, and GC is impossible';

/**
 * Whether the agent's files can be seen through `/proc/PID/root`, as its cgroup is read. The kernel asks for the same uid
 * and gid, for no fewer capabilities, and that neither the process nor a security module forbids it: what of these it is
 * follows from comparing the two.
 * @param container name of the agent's container
 */
export function processAccess(procRoot: string, pid: number, container: string): Outcome {
  try {
    statSync(`${procRoot}/${pid}/root/`);
    return pass('/proc/PID/root');
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EACCES' && errno !== 'EPERM')
      return fail('read', messageOf(error), 'run doctor again in a moment');
  }
  const [own, agent] = [identityOf(procRoot, 'self'), identityOf(procRoot, pid)];
  if (!own || !agent) return fail('ended', `process ${pid} has ended`, 'run doctor again in a moment');
  return denied(own, agent, container);
}

/** Why one process may not look into another, by what is known of both. */
export function denied(own: Identity, agent: Identity, container: string): Outcome {
  const lacking = capabilityNames(agent.permitted & ~own.effective);
  if (isPrivileged(agent) && !isPrivileged(own))
    return inPod(
      fail(
        'privileged',
        `the agent's container is privileged`,
        `run the agent unprivileged: its sidecar would need the same privileges`,
      ),
      WHY,
      unprivileged(container),
    );
  if (own.uid !== agent.uid || own.gid !== agent.gid)
    return inPod(
      fail(
        'other_user',
        `the agent runs as uid ${agent.uid}, gid ${agent.gid}, the guardian as uid ${own.uid}, gid ${own.gid}`,
        'run the guardian with the same uid and gid as the agent',
      ),
      WHY,
      sameUser(agent, capabilityNames(agent.permitted)),
    );
  if (lacking.length > 0)
    return inPod(
      fail(
        'lacks_capabilities',
        `the guardian lacks capabilities of the agent: ${lacking.join(', ')}`,
        agent.uid === 0
          ? 'drop them from the agent (drop: [ALL]), or add them to the guardian'
          : 'drop them from the agent (drop: [ALL]): a non-root guardian cannot use them',
      ),
      WHY,
      sameUser(agent, agent.uid === 0 ? capabilityNames(agent.permitted) : []),
    );
  if (!agent.dumpable)
    return {
      ...fail(
        'unreadable_process',
        'the agent made itself unreadable: it changed its user after its start, or called prctl(PR_SET_DUMPABLE, 0)',
        'set the user of the agent with runAsUser and runAsGroup instead of su-exec, gosu or the like',
      ),
      why: WHY,
    };
  const sameLabel = agent.label === own.label;
  const modules = sameLabel
    ? 'a security module of the node (AppArmor, SELinux, gVisor) denies it'
    : `the profiles of the security module differ: the guardian has ${own.label || 'no profile'}, the agent ${agent.label || 'no profile'}`;
  return {
    ...fail(
      sameLabel ? 'security_module' : 'other_profile',
      `uid, gid and capabilities match, but access is denied: ${modules}`,
      'give both containers the same appArmorProfile and seLinuxOptions',
    ),
    why: WHY,
  };
}
