import type { V1PodTemplateSpec, V1Volume } from '@kubernetes/client-node';
import { IMAGE } from './environment.ts';

/**
 * The sidecar without an injector: where no chart is installed, and to try another readiness probe than the one that is injected.
 * @param template is changed
 */
export function injectByHand(
  template: V1PodTemplateSpec,
  readiness = { periodSeconds: 1, failureThreshold: 1 },
): V1PodTemplateSpec {
  const { metadata = {}, spec } = template;
  if (!spec) return template;
  const annotations = metadata.annotations ?? {};
  const agent = annotations['spillway.dev/agent-container'] ?? spec.containers[0]?.name ?? '';
  const flags = Object.entries(annotations).filter(([key]) =>
    /^spillway\.dev\/(?!agent-container)/.test(key),
  );
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const limited =
    spec.containers.find(({ name }) => name === agent)?.resources?.limits?.['memory'] !== undefined;
  const probe = (path: string) => ({ httpGet: { path, port: 9797 }, periodSeconds: 1 });
  const token: V1Volume = {
    name: 'spillway-token',
    projected: {
      sources: [
        { serviceAccountToken: { path: 'token', expirationSeconds: 3600 } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  };
  spec.shareProcessNamespace = true;
  spec.volumes = [...(spec.volumes ?? []), token];
  spec.initContainers = [
    {
      name: 'spillway',
      image: IMAGE,
      imagePullPolicy: 'IfNotPresent',
      restartPolicy: 'Always',
      args: [
        'guard',
        ...flags.map(([key, value]) => `--${key.slice('spillway.dev/'.length)}=${value}`).sort(),
      ],
      env: [
        field('POD_NAME', 'metadata.name'),
        field('POD_NAMESPACE', 'metadata.namespace'),
        field('POD_UID', 'metadata.uid'),
        ...(limited
          ? [
              {
                name: 'SPILLWAY_DOWNWARD_LIMIT',
                valueFrom: { resourceFieldRef: { containerName: agent, resource: 'limits.memory' } },
              },
            ]
          : []),
      ],
      ports: [{ name: 'spillway', containerPort: 9797, protocol: 'TCP' }],
      readinessProbe: { ...probe('/readyz'), ...readiness },
      livenessProbe: { ...probe('/livez'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
      resources: { requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '128Mi' } },
      securityContext: {
        ...(spec.securityContext?.runAsUser === undefined
          ? {}
          : { runAsUser: spec.securityContext.runAsUser }),
        ...(spec.securityContext?.runAsGroup === undefined
          ? {}
          : { runAsGroup: spec.securityContext.runAsGroup }),
        runAsNonRoot: true,
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      },
      volumeMounts: [
        {
          name: 'spillway-token',
          mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
          readOnly: true,
        },
      ],
    },
    ...(spec.initContainers ?? []),
  ];
  return template;
}
