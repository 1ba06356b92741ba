/** What is read of a pod, or of a workload's template. Every other field is carried along as it is. */
export interface Pod {
  metadata?: PodMetadata | null;
  spec?: PodSpec | null;
  [field: string]: unknown;
}

interface PodMetadata {
  labels?: Record<string, string> | null;
  annotations?: Record<string, string> | null;
  [field: string]: unknown;
}

interface PodSpec {
  containers?: Container[] | null;
  initContainers?: Container[] | null;
  volumes?: Volume[] | null;
  hostPID?: boolean | null;
  hostNetwork?: boolean | null;
  automountServiceAccountToken?: boolean | null;
  restartPolicy?: string | null;
  runtimeClassName?: string | null;
  priorityClassName?: string | null;
  activeDeadlineSeconds?: number | null;
  /** What the pod's sandbox takes beside its containers, by resource. */
  overhead?: Record<string, string> | null;
  shareProcessNamespace?: boolean | null;
  os?: { name?: string } | null;
  nodeSelector?: Record<string, string> | null;
  securityContext?: UserContext | null;
  /** Requests and limits of the pod as a whole. */
  resources?: Resources | null;
  [field: string]: unknown;
}

/** Who a container runs as. */
interface UserContext {
  runAsUser?: number | null;
  runAsGroup?: number | null;
  [field: string]: unknown;
}

export interface SecurityContext extends UserContext {
  privileged?: boolean | null;
  capabilities?: Capabilities | null;
}

/** Linux capabilities, without `CAP_`. */
export interface Capabilities {
  add?: string[] | null;
  drop?: string[] | null;
}

/** Quantities by resource: `{limits: {memory: '128Mi'}}`. */
export interface Resources {
  requests?: Record<string, string> | null;
  limits?: Record<string, string> | null;
}

export interface Container {
  name: string;
  command?: string[] | null;
  args?: string[] | null;
  env?: EnvVar[] | null;
  envFrom?: { prefix?: string | null; [field: string]: unknown }[] | null;
  volumeMounts?: VolumeMount[] | null;
  volumeDevices?: { devicePath?: string | null; [field: string]: unknown }[] | null;
  ports?: ContainerPort[] | null;
  startupProbe?: Handler | null;
  readinessProbe?: Handler | null;
  livenessProbe?: Handler | null;
  lifecycle?: { preStop?: Handler | null; postStart?: Handler | null } | null;
  restartPolicy?: string | null;
  resources?: Resources | null;
  securityContext?: SecurityContext | null;
  [field: string]: unknown;
}

export interface EnvVar {
  name: string;
  value?: string | null;
  valueFrom?: unknown;
}

export interface VolumeMount {
  name: string;
  mountPath?: string | null;
  [field: string]: unknown;
}

export interface ContainerPort {
  name?: string | null;
  containerPort?: number | null;
  protocol?: string | null;
}

/** What the kubelet does for a probe or at an end of a container's life. */
interface Handler {
  exec?: { command?: string[] | null } | null;
  httpGet?: { path?: string | null; [field: string]: unknown } | null;
  [field: string]: unknown;
}

export interface Volume {
  name: string;
  [field: string]: unknown;
}
