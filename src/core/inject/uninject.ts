import { isInjected, isSidecar } from './agent.ts';
import { whereFilled } from './filled.ts';
import { unhooked } from './hook.ts';
import { closedTo } from './mesh.ts';
import { INJECTED_SHARED, RECORD_VOLUME, STATUS_ANNOTATION, TOKEN_VOLUME } from './names.ts';
import type { Pod } from './pod.ts';

/**
 * Takes out what was injected: returns the pod as it was, but for lists and maps that were there and empty. A pod
 * without the sidecar is returned as it is; the pod given is not changed.
 */
export function uninject(pod: Pod): Pod {
  if (!isInjected(pod)) return pod;
  const { metadata, spec, ...rest } = closedTo(unhooked(pod));
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
