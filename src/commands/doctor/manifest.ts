import { SIDECAR_NAME, SIDECAR_PORT, TOKEN_PATH, TOKEN_VOLUME } from '../../core/inject/names.ts';

/** Lines of a pod's manifest: the lines above them say where they belong, from `metadata` or `spec` on. */
type Lines = string;

const text = (...lines: string[]): Lines => `${lines.join('\n')}\n`;
/** Lines of the agent's container, named. */
const agent = (name: string, ...lines: string[]) =>
  text('spec:', '  containers:', `  - name: ${name}`, ...lines);
/** Lines of the sidecar. As a classic one it stands below `containers`. */
const sidecar = (...lines: string[]) =>
  text('spec:', '  initContainers:', `  - name: ${SIDECAR_NAME}`, ...lines);

export const sharedProcesses = (): Lines => text('spec:', '  shareProcessNamespace: true');

export const ownProcesses = (): Lines => text('spec:', '  hostPID: false', '  shareProcessNamespace: true');

export const agentNamed = (name: string): Lines =>
  sidecar('    env:', '    - name: SPILLWAY_AGENT', `      value: container:${name}`);

/** @param names capabilities without `CAP_`; empty: the user alone */
export function sameUser(user: { uid: number; gid: number }, names: readonly string[] = []): Lines {
  return sidecar(
    '    securityContext:',
    `      runAsUser: ${user.uid}`,
    `      runAsGroup: ${user.gid}`,
    ...(user.uid === 0 ? ['      runAsNonRoot: false'] : []),
    ...(names.length === 0
      ? []
      : ['      capabilities:', '        drop: [ALL]', `        add: [${names.join(', ')}]`]),
  );
}

/** @param mebibytes a proposal */
export const memoryLimit = (name: string, mebibytes: number): Lines =>
  agent(name, '    resources:', '      limits:', `        memory: ${mebibytes}Mi`);

export const unprivileged = (name: string): Lines =>
  agent(name, '    securityContext:', '      privileged: false');

export const ownMemory = (limit: string, request: string): Lines =>
  sidecar(
    '    resources:',
    '      requests:',
    `        memory: ${request}`,
    '      limits:',
    `        memory: ${limit}`,
  );

export const noCpuLimit = (): Lines =>
  sidecar('    resources:', '      requests:', '        cpu: 50m', '      limits:', '        cpu: null');

export const readinessProbe = (port: number = SIDECAR_PORT): Lines =>
  sidecar(
    '    readinessProbe:',
    '      httpGet:',
    '        path: /readyz',
    `        port: ${port}`,
    '      periodSeconds: 1',
    '      timeoutSeconds: 3',
    '      failureThreshold: 1',
  );

/** Service meshes, by the annotation that keeps a port from their proxy. */
const MESHES = {
  Istio: 'traffic.sidecar.istio.io/excludeInboundPorts',
  Linkerd: 'config.linkerd.io/skip-inbound-ports',
} as const;
export type Mesh = keyof typeof MESHES;

export const passesMesh = (mesh: Mesh, port: number): Lines =>
  text('metadata:', '  annotations:', `    ${MESHES[mesh]}: "${port}"`);

/** A token of the sidecar's own: short-lived, and there also where the agent's pod mounts none. */
export const token = (): Lines =>
  text(
    'spec:',
    '  volumes:',
    `  - name: ${TOKEN_VOLUME}`,
    '    projected:',
    // the authority's file belongs to root whoever runs the containers: without it all may read, the guardian could not
    '      defaultMode: 0444',
    '      sources:',
    '      - serviceAccountToken:',
    '          path: token',
    '          expirationSeconds: 3600',
    '      - configMap:',
    '          name: kube-root-ca.crt',
    '          items:',
    '          - key: ca.crt',
    '            path: ca.crt',
    '      - downwardAPI:',
    '          items:',
    '          - path: namespace',
    '            fieldRef:',
    '              fieldPath: metadata.namespace',
    '  initContainers:',
    `  - name: ${SIDECAR_NAME}`,
    '    volumeMounts:',
    `    - name: ${TOKEN_VOLUME}`,
    `      mountPath: ${TOKEN_PATH}`,
    '      readOnly: true',
  );

/** A NetworkPolicy of its own that lets the pods of a namespace reach the API server. */
export const toApiServer = (namespace: string, port: number): string =>
  text(
    'apiVersion: networking.k8s.io/v1',
    'kind: NetworkPolicy',
    'metadata:',
    '  name: spillway-to-api-server',
    `  namespace: ${namespace}`,
    'spec:',
    '  podSelector: {}',
    '  policyTypes: [Egress]',
    '  egress:',
    '  - ports:',
    '    - protocol: TCP',
    `      port: ${port}`,
    // behind the Service's port stands the API server's own, and some networks go by that
    ...(port === 6443 ? [] : ['    - protocol: TCP', '      port: 6443']),
  );

export const recordVolume = (directory: string): Lines =>
  text(
    'spec:',
    '  volumes:',
    '  - name: spillway-records',
    // no size: a heap snapshot is as large as the heap, and a pod that passes a size is evicted
    '    emptyDir: {}',
    '  initContainers:',
    `  - name: ${SIDECAR_NAME}`,
    '    volumeMounts:',
    '    - name: spillway-records',
    `      mountPath: ${directory}`,
  );
