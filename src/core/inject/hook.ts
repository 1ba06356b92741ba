import { isSidecar } from './agent.ts';
import type { InjectConfig } from './config.ts';
import { whereFilled } from './filled.ts';
import { hookObstacle, isHookable, listOf, nodeOptions, textOf } from './hook-rules.ts';
import { HOOK_DIR, HOOK_REQUIRE, HOOK_VOLUME } from './names.ts';
import type { Container, EnvVar, Pod, Volume } from './pod.ts';

/** The option of a sidecar that puts the hook into the volume. */
export const HOOK_ARG = `--hook-dir=${HOOK_DIR}`;

/**
 * Whether the hook goes into the agent's container, and a warning where it should and does not.
 * @param option `hook`, where an annotation has it
 */
export function hookFor(
  pod: Pod,
  agent: Container,
  { native, options, addNodeOptions }: InjectConfig,
  option: string | undefined,
): { placed: boolean; warnings: string[] } {
  const facts = { pod, agent, addNodeOptions };
  // a classic sidecar starts beside the agent: its file may come too late
  if (!native || (option ?? options['hook'])?.trim() === 'off' || !isHookable(facts))
    return { placed: false, warnings: [] };
  const reason = hookObstacle(facts);
  return { placed: reason === undefined, warnings: reason === undefined ? [] : [reason] };
}

/** The pod with the hook in the agent's container. The volume is not in it yet. */
export function hookedAt(pod: Pod, agent: Container): Pod {
  const containers = pod.spec?.containers?.map((each) => (each === agent ? hooked(each) : each)) ?? [];
  return { ...pod, spec: { ...pod.spec, containers } };
}

/** Takes back {@link hookedAt}, and the volume. */
export function unhooked(pod: Pod): Pod {
  const { spec } = pod;
  if (!spec?.initContainers?.some((each) => isSidecar(each) && each.args?.includes(HOOK_ARG))) return pod;
  const mounted = ({ name }: { name: string }) => name === HOOK_VOLUME;
  const containers = spec.containers?.map((each) =>
    each.volumeMounts?.some(mounted)
      ? whereFilled(
          {
            ...each,
            env: each.env?.flatMap((variable) => withoutHook(variable)),
            volumeMounts: each.volumeMounts.filter((mount) => !mounted(mount)),
          },
          'env',
          'volumeMounts',
        )
      : each,
  );
  const volumes = spec.volumes?.filter((volume) => !mounted(volume));
  return { ...pod, spec: { ...spec, containers, volumes } as Pod['spec'] & object };
}

/** Of the hook's file and the socket: 40 KB. */
export function hookVolume(): Volume {
  return { name: HOOK_VOLUME, emptyDir: { sizeLimit: '1Mi' } };
}

function hooked(agent: Container): Container {
  const mount = { name: HOOK_VOLUME, mountPath: HOOK_DIR, readOnly: true };
  const [own] = nodeOptions(agent);
  const env = listOf(agent.env).map((each) =>
    each === own ? { ...each, value: appended(textOf(each)) } : each,
  );
  if (own === undefined) env.push({ name: 'NODE_OPTIONS', value: HOOK_REQUIRE });
  return { ...agent, env, volumeMounts: [...listOf(agent.volumeMounts), mount] };
}

/** Never without the blank: it distinguishes an empty value from none. */
function appended(value: string): string {
  return value.split(' ').includes(HOOK_REQUIRE) ? value : `${value} ${HOOK_REQUIRE}`;
}

/** Others may have appended to the value since. */
function withoutHook(variable: EnvVar): EnvVar[] {
  if (variable.name !== 'NODE_OPTIONS') return [variable];
  const value = textOf(variable);
  if (value === HOOK_REQUIRE) return [];
  const bare = value.includes(` ${HOOK_REQUIRE}`)
    ? value.replace(` ${HOOK_REQUIRE}`, '')
    : value.replace(`${HOOK_REQUIRE} `, '');
  return [{ ...variable, value: bare }];
}
