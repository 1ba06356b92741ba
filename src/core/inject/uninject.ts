import { isInjected, isSidecar } from './agent.ts';
import { closedTo } from './mesh.ts';
import { INJECTED_SHARED, RECORD_VOLUME, STATUS_ANNOTATION, TOKEN_VOLUME } from './names.ts';
import type { Pod } from './pod.ts';

/**
 * Takes out what was injected: returns the pod as it was, but for lists and maps that were there and empty. A pod
 * without the sidecar is returned as it is; the pod given is not changed.
 */
export function uninject(pod: Pod): Pod {
  if (!isInjected(pod)) return pod;
  const { metadata, spec, ...rest } = closedTo(pod);
  const { [STATUS_ANNOTATION]: status, ...annotations } = metadata?.annotations ?? {};
  return {
    ...rest,
    ...whereFilled({ metadata: whereFilled({ ...metadata, annotations }, 'annotations') }, 'metadata'),
    spec: whereFilled(
      {
        ...spec,
        shareProcessNamespace: status === INJECTED_SHARED ? true : undefined,
        initContainers: spec?.initContainers?.filter((container) => !isSidecar(container)),
        containers: spec?.containers?.filter((container) => !isSidecar(container)),
        volumes: spec?.volumes?.filter(({ name }) => name !== TOKEN_VOLUME && name !== RECORD_VOLUME),
      },
      'shareProcessNamespace',
      'initContainers',
      'containers',
      'volumes',
    ),
  };
}

/** Leaves out those of the keys that hold nothing (any more). */
function whereFilled<T extends object>(
  fields: T,
  ...keys: (keyof T)[]
): { [K in keyof T]?: NonNullable<T[K]> } {
  const kept = Object.entries(fields).filter(
    ([key, value]) =>
      !keys.includes(key as keyof T) ||
      (value != null && (typeof value !== 'object' || Object.keys(value).length > 0)),
  );
  return Object.fromEntries(kept) as { [K in keyof T]?: NonNullable<T[K]> };
}
