import type { Pod } from './pod.ts';

/** A pod, or the template of pods, within an object. */
export interface PodPlace {
  pod: Pod;
  /** From the object to the pod, list positions as numbers; empty when it is the object. */
  path: readonly (string | number)[];
  /** The workload for messages: `Deployment web`. */
  name: string;
}

type Fields = Readonly<Record<string, unknown>>;

const TEMPLATE = ['spec', 'template'];
/** Where kinds keep their pod, by API group and kind. Of custom kinds those that are Deployments and the like in all but name. */
const PLACES: ReadonlyMap<string, readonly string[]> = new Map([
  ['/Pod', []],
  ['/ReplicationController', TEMPLATE],
  ['/PodTemplate', ['template']],
  ['apps/Deployment', TEMPLATE],
  ['apps/StatefulSet', TEMPLATE],
  ['apps/DaemonSet', TEMPLATE],
  ['apps/ReplicaSet', TEMPLATE],
  ['batch/Job', TEMPLATE],
  ['batch/CronJob', ['spec', 'jobTemplate', ...TEMPLATE]],
  ['argoproj.io/Rollout', TEMPLATE],
  ['apps.kruise.io/CloneSet', TEMPLATE],
  ['apps.kruise.io/StatefulSet', TEMPLATE],
  ['apps.kruise.io/DaemonSet', TEMPLATE],
]);

/** The pods and pod templates of a Kubernetes object; of a List those of its items. None of anything else. */
export function podsOf(object: unknown): PodPlace[] {
  return isFields(object) ? find(object, text(object['apiVersion']), text(object['kind']), []) : [];
}

/** The objects of other kinds that keep a pod template where Deployments have it, those in a List included. */
export function skippedIn(object: unknown): Omit<PodPlace, 'pod'>[] {
  const known = new Set(podsOf(object).map(({ path }) => path.join('/')));
  return templatesIn(object, []).filter(({ path }) => !known.has([...path, ...TEMPLATE].join('/')));
}

function templatesIn(object: unknown, path: readonly (string | number)[]): Omit<PodPlace, 'pod'>[] {
  if (!isFields(object)) return [];
  const { items } = object;
  const kind = text(object['kind']);
  if (kind.endsWith('List') && Array.isArray(items))
    return items.flatMap((item: unknown, i) => templatesIn(item, [...path, 'items', i]));
  let containers: unknown = object;
  for (const key of [...TEMPLATE, 'spec', 'containers'])
    containers = isFields(containers) ? containers[key] : undefined;
  if (!Array.isArray(containers) || containers.length === 0) return [];
  return [{ path, name: `${kind} ${nameOf(object['metadata'])}`.trim() }];
}

function find(
  object: Fields,
  apiVersion: string,
  kind: string,
  path: readonly (string | number)[],
): PodPlace[] {
  const { items } = object;
  if (kind.endsWith('List') && Array.isArray(items)) {
    // the items of a PodList need not say that they are Pods
    return items.flatMap((item: unknown, i) =>
      isFields(item)
        ? find(item, text(item['apiVersion']) || apiVersion, text(item['kind']) || kind.slice(0, -4), [
            ...path,
            'items',
            i,
          ])
        : [],
    );
  }
  const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
  const place = PLACES.get(`${group}/${kind}`);
  if (!place) return [];
  let pod: unknown = object;
  for (const key of place) pod = isFields(pod) ? pod[key] : undefined;
  if (!isPod(pod)) return [];
  return [{ pod, path: [...path, ...place], name: `${kind} ${nameOf(object['metadata'])}`.trimEnd() }];
}

/** A pod as far as it is looked at here: manifests that nobody has checked yet may hold anything. */
function isPod(value: unknown): value is Pod {
  if (!isFields(value) || !isFields(value['spec'])) return false;
  const { spec, metadata } = value;
  const lists = [spec['containers'], spec['initContainers'], spec['volumes']];
  return (
    (metadata == null ||
      (isFields(metadata) && [metadata['labels'], metadata['annotations']].every(isMapOrNothing))) &&
    lists.every((list) => list == null || (Array.isArray(list) && list.every(isFields)))
  );
}

function isMapOrNothing(value: unknown): boolean {
  return value == null || isFields(value);
}

function nameOf(metadata: unknown): string {
  if (!isFields(metadata)) return '';
  return text(metadata['name']) || text(metadata['generateName']);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
