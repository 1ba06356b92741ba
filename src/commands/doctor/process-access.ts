import { statSync } from 'node:fs';
import { errnoOf, messageOf } from '../../core/lib/errors.ts';
import { fail, inPod, type Outcome, pass } from './check.ts';
import { capabilityNames, type Identity, identityOf, isPrivileged } from './identity.ts';
import { sameUser, unprivileged } from './manifest.ts';

const WHY =
  'without it the cgroup cannot be read: use is the sum of RSS, kills are not counted, and nothing is collected';

/**
 * Whether the agent's files can be seen through `/proc/PID/root`, as its cgroup is read. The kernel asks for the same uid
 * and gid, for no fewer capabilities, and that neither the process nor a security module forbids it: what of these it is
 * is told by comparing the two.
 * @param container name of the agent's container
 */
export function processAccess(procRoot: string, pid: number, container: string): Outcome {
  try {
    statSync(`${procRoot}/${pid}/root/`);
    return pass('/proc/PID/root');
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EACCES' && errno !== 'EPERM') return fail(messageOf(error), 'ask again in a moment');
  }
  const [own, agent] = [identityOf(procRoot, 'self'), identityOf(procRoot, pid)];
  if (!own || !agent) return fail(`process ${pid} has ended`, 'ask again in a moment');
  return denied(own, agent, container);
}

/** Why one process may not look into another, by what is known of both. */
export function denied(own: Identity, agent: Identity, container: string): Outcome {
  const lacking = capabilityNames(agent.permitted & ~own.effective);
  if (isPrivileged(agent) && !isPrivileged(own))
    return inPod(
      fail(
        `the agent's container is privileged`,
        `run the agent without privileges: its sidecar would need them all`,
      ),
      WHY,
      unprivileged(container),
    );
  if (own.uid !== agent.uid || own.gid !== agent.gid)
    return inPod(
      fail(
        `the agent runs as uid ${agent.uid}, gid ${agent.gid}, the guardian as uid ${own.uid}, gid ${own.gid}`,
        'run the guardian with the same uid and gid as the agent',
      ),
      WHY,
      sameUser(agent, capabilityNames(agent.permitted)),
    );
  if (lacking.length > 0)
    return inPod(
      fail(
        `the agent has capabilities that the guardian has not: ${lacking.join(', ')}`,
        agent.uid === 0
          ? 'give the guardian the same, or better the agent none (drop: [ALL])'
          : 'take them from the agent (drop: [ALL]): given to a guardian that is not root they do not take effect',
      ),
      WHY,
      sameUser(agent, agent.uid === 0 ? capabilityNames(agent.permitted) : []),
    );
  if (!agent.dumpable)
    return {
      ...fail(
        'the agent made itself unreadable: it changed its user after its start, or called prctl(PR_SET_DUMPABLE, 0)',
        'start the agent as the user it is to be (runAsUser, runAsGroup) and not by su-exec, gosu or the like',
      ),
      why: WHY,
    };
  const modules =
    agent.label === own.label
      ? 'a security module of the node (AppArmor, SELinux, gVisor) denies it'
      : `the security module of the node parts them: the guardian is in ${own.label || 'no profile'}, the agent in ${agent.label || 'no profile'}`;
  return {
    ...fail(
      `uid, gid and capabilities fit, and nevertheless it is denied: ${modules}`,
      'give both containers the same appArmorProfile and seLinuxOptions',
    ),
    why: WHY,
  };
}
