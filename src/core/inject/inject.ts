import { agentOf, declines, isInjected } from './agent.ts';
import { annotatedOptions } from './annotations.ts';
import type { AnnotationOptions, InjectConfig } from './config.ts';
import { hookedAt, hookFor, hookVolume } from './hook.ts';
import { openedTo } from './mesh.ts';
import { INJECT_LABEL, INJECTED, INJECTED_SHARED, NOT_INJECTED, PREFIX, STATUS_ANNOTATION } from './names.ts';
import { obstacle } from './obstacle.ts';
import type { Pod } from './pod.ts';
import { withProbePaths } from './probe-paths.ts';
import { type Bounds, noRoom, UNBOUNDED } from './room.ts';
import { recordVolume, sidecarFor, tokenVolume } from './sidecar.ts';
import { uninject } from './uninject.ts';
import { podWarnings } from './warnings.ts';

/**
 * The pod with the sidecar, or why it goes without; what the user should know, in sentences. `without`: the pod that goes without for want
 * of room, with a status that says so.
 */
export type Injected =
  | { pod: Pod; warnings: string[] }
  | { reason: string; warnings: string[]; without?: Pod };

/**
 * Adds the sidecar to a pod or to a workload's template. The pod given is not changed; one that has the sidecar is
 * returned as it is. A pod that declines is no matter for a warning, one that cannot be guarded is.
 * @param bounds what is left in the pod's namespace, where that is known: what has the sidecar already and no room for it is rid of it
 */
export function inject(
  pod: Pod,
  config: InjectConfig,
  options: AnnotationOptions,
  bounds: Bounds = UNBOUNDED,
): Injected {
  if (declines(pod)) return { reason: `its label ${INJECT_LABEL} is "false"`, warnings: [] };
  const unfit = noRoom(pod, config, bounds);
  if (isInjected(pod)) return unfit === undefined ? { pod, warnings: [] } : goesWithout(pod, unfit);
  const { values, warnings } = annotatedOptions(pod.metadata?.annotations ?? {}, config, options);
  const recordDir = (values['record-dir'] ?? config.options['recordDir'])?.trim();
  const reason = obstacle(pod);
  const agent = agentOf(pod);
  if (reason !== undefined || agent === undefined)
    return { reason: reason ?? 'it has no container', warnings: [`not injected: ${reason}`] };
  if (unfit !== undefined) return goesWithout(pod, unfit);

  const token = tokenFor(pod, config, values);
  const hook = hookFor(pod, agent, config, values['hook']);
  const sidecar = sidecarFor(pod, agent, config, {
    values: hook.placed ? withProbePaths(values, pod, agent, config) : values,
    recordDir,
    hooked: hook.placed,
  });
  const { metadata, spec } = openedTo(hook.placed ? hookedAt(pod, agent) : pod);
  const status = spec?.shareProcessNamespace === true ? INJECTED_SHARED : INJECTED;
  return {
    pod: {
      ...pod,
      metadata: { ...metadata, annotations: { ...metadata?.annotations, [STATUS_ANNOTATION]: status } },
      spec: {
        ...spec,
        shareProcessNamespace: true,
        ...(config.native
          ? { initContainers: [sidecar, ...(spec?.initContainers ?? [])] }
          : { containers: [...(spec?.containers ?? []), sidecar] }),
        volumes: [
          ...(spec?.volumes ?? []),
          tokenVolume(token === 'mounted'),
          ...(recordDir === undefined ? [] : [recordVolume()]),
          ...(hook.placed ? [hookVolume()] : []),
        ],
      },
    },
    warnings: [
      ...podWarnings(pod, agent, sidecar),
      ...hook.warnings,
      ...(token === 'declined'
        ? [
            `automountServiceAccountToken is false: spillway gets no token either and posts no Events; ${PREFIX}events: "on" gives it one`,
          ]
        : []),
      ...warnings,
    ],
  };
}

function goesWithout(pod: Pod, reason: string): Injected {
  const bare = uninject(pod);
  const text = `${NOT_INJECTED}${reason}`;
  const annotations = { ...bare.metadata?.annotations, [STATUS_ANNOTATION]: text };
  return { reason, warnings: [text], without: { ...bare, metadata: { ...bare.metadata, annotations } } };
}

/** Whether the sidecar gets a token of the pod's service account; `declined`: it would, but the pod has said that it wants none. */
function tokenFor(
  pod: Pod,
  config: InjectConfig,
  { events }: Readonly<Record<string, string>>,
): 'mounted' | 'none' | 'declined' {
  if (events?.trim() === 'on') return 'mounted';
  if (events === undefined ? !config.events : events.trim() === 'off') return 'none';
  return pod.spec?.automountServiceAccountToken === false ? 'declined' : 'mounted';
}
