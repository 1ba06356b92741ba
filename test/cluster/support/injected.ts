import type { V1Container, V1PodTemplateSpec } from '@kubernetes/client-node';
import { ANNOTATION_OPTIONS } from '../../../src/config/inject-config.ts';
import { defaultInjectConfig } from '../../../src/core/inject/config.ts';
import { inject } from '../../../src/core/inject/inject.ts';
import type { Pod } from '../../../src/core/inject/pod.ts';
import { IMAGE } from './environment.ts';

/** A template or pod as injection makes it, but for a change to the sidecar: to measure what each part of it costs. */
export function injectedWith<T extends V1PodTemplateSpec>(
  template: T,
  change: (sidecar: V1Container) => void,
): T {
  const config = { ...defaultInjectConfig('bench'), image: IMAGE };
  const outcome = inject(template as unknown as Pod, config, ANNOTATION_OPTIONS);
  if (!('pod' in outcome)) throw new Error(outcome.reason);
  const injected = outcome.pod as unknown as T;
  for (const sidecar of injected.spec?.initContainers ?? []) if (sidecar.name === 'spillway') change(sidecar);
  return injected;
}
