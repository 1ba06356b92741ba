import { HOOK_DIR, HOOK_VOLUME } from './names.ts';
import { words } from './pid-one.ts';
import type { Container, EnvVar, Pod } from './pod.ts';
import { given, type PodRule, saidBy } from './pod-rule.ts';

/*
 * Whether the hook for Node agents goes into a pod that gets the sidecar. Node does not start without a file that it has to load,
 * and a variable in `env` replaces the same one of `envFrom` and of the image: so the hook goes only where its file is there before the
 * agent for sure, and where no value of the user's is lost.
 */

/** Programs of Node, as the first word of a command; the policies have the same expression, which must mean the same to RE2. */
export const NODE_COMMAND = /(^|[\s/;&|(])(node|nodejs|npm|npx|pnpm|yarn|tsx|next)([\s;&|)]|$)/;
/** Node's permission model denies the hook its file, as do the policies that Node has until 20. */
export const PERMISSION = /(^|[\s"'=])--(permission|experimental[-_](permission|policy))([\s"'=]|$)/;
/** Mounts that are the hook's own place, around it or in it; in images `/var/run` is `/run`. */
export const AROUND_HOOK = /^\/*(var(\/+run(\/+spillway-hook(\/.*)?)?)?|run(\/+spillway-hook(\/.*)?)?)?\/*$/;

export interface Hookable {
  pod: Pod;
  agent: Container;
  /** As in the configuration. */
  addNodeOptions: boolean;
}

/** What keeps the hook out of a container that should have it, in the order in which it is reported. */
export const HOOK_OBSTACLES: readonly PodRule<Hookable>[] = [
  {
    says: 'no hook: NODE_OPTIONS of container {} is set by valueFrom or twice; set it once, by value',
    subjects({ agent }) {
      const all = nodeOptions(agent);
      return all.length > 1 || all.some(({ valueFrom }) => valueFrom != null) ? [agent.name] : undefined;
    },
    cel: [
      'size(variables.nodeOptions) > 1 || variables.nodeOptions.exists(e, has(e.valueFrom))',
      'variables.agentName',
    ],
  },
  {
    says: 'no hook: {} of container {} may hold NODE_OPTIONS, which a value in env would replace; set NODE_OPTIONS in env ("" where there is none)',
    subjects({ agent, addNodeOptions }) {
      if (nodeOptions(agent).length > 0) return undefined;
      if (takesNodeOptions(agent)) return ['envFrom', agent.name];
      return addNodeOptions ? undefined : ['the image', agent.name];
    },
    cel: [
      'size(variables.nodeOptions) == 0 && (variables.takesNodeOptions || !variables.addNodeOptions)',
      '(variables.takesNodeOptions ? "envFrom" : "the image")',
      'variables.agentName',
    ],
  },
  {
    says: 'no hook: container {} runs Node with --permission or a policy, which denies it the file of the hook',
    subjects: ({ agent }) =>
      PERMISSION.test([...commandOf(agent), ...nodeOptions(agent).map(textOf)].join(' '))
        ? [agent.name]
        : undefined,
    cel: [
      `(variables.agentCommand + variables.nodeOptions.map(e, e.?value.orValue(""))).join(" ").matches(${JSON.stringify(PERMISSION.source)})`,
      'variables.agentName',
    ],
  },
  {
    says: `no hook: the volume name ${HOOK_VOLUME} is taken`,
    subjects: ({ pod }) => given(pod.spec?.volumes?.some(({ name }) => name === HOOK_VOLUME) === true),
    cel: [`variables.spec.?volumes.orValue([]).exists(v, v.name == "${HOOK_VOLUME}")`],
  },
  {
    says: `no hook: container {} has something mounted in the way of ${HOOK_DIR}`,
    subjects({ agent }) {
      const taken = [
        ...listOf(agent.volumeMounts).map(({ mountPath }) => mountPath),
        ...listOf(agent.volumeDevices).map(({ devicePath }) => devicePath),
      ];
      return taken.some((path) => AROUND_HOOK.test(String(path))) ? [agent.name] : undefined;
    },
    cel: [
      `(variables.agents[0].?volumeMounts.orValue([]).map(m, m.mountPath) + variables.agents[0].?volumeDevices.orValue([]).map(d, d.devicePath)).exists(p, p.matches(${JSON.stringify(AROUND_HOOK.source)}))`,
      'variables.agentName',
    ],
  },
];

/** What keeps the hook out, in words; `undefined` where nothing does. */
export function hookObstacle(facts: Hookable): string | undefined {
  for (const rule of HOOK_OBSTACLES) {
    const reason = saidBy(rule, facts);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** Whether a container is for the hook: one with NODE_OPTIONS of its own, one that shows to be Node's, or any where the configuration says so. */
export function isHookable({ agent, addNodeOptions }: Hookable): boolean {
  return (
    nodeOptions(agent).length > 0 ||
    NODE_COMMAND.test(commandOf(agent).join(' ')) ||
    listOf(agent.env).some(({ name }) => String(name).startsWith('NODE_')) ||
    (addNodeOptions && !takesNodeOptions(agent))
  );
}

export function nodeOptions({ env }: Container): EnvVar[] {
  return listOf(env).filter(({ name }) => name === 'NODE_OPTIONS');
}

export function textOf({ value }: EnvVar): string {
  return String(value ?? '');
}

/** A manifest that nobody has checked yet may have anything there. */
export function listOf<T extends object>(list: readonly T[] | null | undefined): readonly T[] {
  return Array.isArray(list) ? list.filter((item) => typeof item === 'object' && item !== null) : [];
}

/** Whether its `envFrom` may set NODE_OPTIONS. */
function takesNodeOptions({ envFrom }: Container): boolean {
  return listOf(envFrom).some(({ prefix }) => 'NODE_OPTIONS'.startsWith(prefix ?? ''));
}

function commandOf({ command, args }: Container): string[] {
  return [...words(command), ...words(args)];
}
