import { containersOf } from './agent.ts';
import { SIDECAR_PORT } from './names.ts';
import type { Container, Pod } from './pod.ts';

/*
 * A service mesh's proxy takes what comes to the pod's ports, the kubelet's probes among it. Istio rewrites the probes of the
 * containers it sees, Linkerd lets probes pass: where the sidecar is there before the mesh looks, all is well. Where a list of ports
 * that the proxy leaves alone is in the pod already, the sidecar's is added to it. None is made: it would replace the mesh's own.
 */

/** Annotations that list ports: `8080,9090`. */
const LISTS = ['traffic.sidecar.istio.io/excludeInboundPorts', 'config.linkerd.io/skip-inbound-ports'];
/** Istio's container that sets up the redirection, and the flag of its list. */
const [ISTIO_INIT, ISTIO_FLAG] = ['istio-init', '-d'];
export const ISTIO_PROXY = 'istio-proxy';

/** The pod with the sidecar's port in every list of ports that a mesh's proxy leaves alone. */
export function openedTo(pod: Pod): Pod {
  return withLists(pod, (list) => {
    const ports = list.split(',').map((port) => port.trim());
    if (ports.includes(String(SIDECAR_PORT))) return list;
    return list.trim() === '' ? String(SIDECAR_PORT) : `${list},${SIDECAR_PORT}`;
  });
}

/** Takes back {@link openedTo}; also a port that was last in such a list before. */
export function closedTo(pod: Pod): Pod {
  return withLists(pod, (list) => list.replace(new RegExp(`(^|,)${SIDECAR_PORT}$`), ''));
}

/** Whether Istio's proxy is in the pod and may take the sidecar's probes, as no list says which ports it leaves alone. */
export function takesProbes(pod: Pod): boolean {
  const listed = LISTS.some((name) => pod.metadata?.annotations?.[name] !== undefined);
  return (
    !listed &&
    containersOf(pod).some(({ name }) => name === ISTIO_PROXY) &&
    !pod.spec?.initContainers?.some((container) => listAt(container) !== undefined)
  );
}

function withLists(pod: Pod, change: (list: string) => string): Pod {
  const { metadata, spec } = pod;
  const annotations = Object.fromEntries(
    Object.entries(metadata?.annotations ?? {}).map(([name, value]) => [
      name,
      LISTS.includes(name) && typeof value === 'string' ? change(value) : value,
    ]),
  );
  const initContainers = spec?.initContainers?.map((container) => {
    const at = listAt(container);
    if (at === undefined || !container.args) return container;
    return { ...container, args: container.args.map((arg, i) => (i === at ? change(arg) : arg)) };
  });
  return {
    ...pod,
    ...(metadata?.annotations ? { metadata: { ...metadata, annotations } } : {}),
    ...(initContainers ? { spec: { ...spec, initContainers } } : {}),
  };
}

/** Where in its arguments Istio's init container has the list. */
function listAt({ name, args }: Container): number | undefined {
  if (name !== ISTIO_INIT || !Array.isArray(args)) return undefined;
  const at = args.indexOf(ISTIO_FLAG) + 1;
  return at > 0 && typeof args[at] === 'string' ? at : undefined;
}
