/** What all of Spillway's labels and annotations begin with. */
export const PREFIX = 'spillway.dev/';
/** Label on a pod or a namespace: `"true"` asks for the sidecar, `"false"` on a pod declines it. */
export const INJECT_LABEL = `${PREFIX}inject`;
/** Annotation that names the container to guard. */
export const AGENT_ANNOTATION = `${PREFIX}agent-container`;
/** What `kubectl logs` and `exec` take for the pod's container; service meshes set it to the program's own. */
export const DEFAULT_CONTAINER_ANNOTATION = 'kubectl.kubernetes.io/default-container';
/** Annotation on what was injected: {@link INJECTED} or {@link INJECTED_SHARED}. */
export const STATUS_ANNOTATION = `${PREFIX}status`;
export const INJECTED = 'injected';
/** The pod shared its process namespace by itself: it goes on to when the sidecar is taken out again. */
export const INJECTED_SHARED = 'injected-shared';

/** Its beginning on a pod that goes without for want of room; the reason follows. */
export const NOT_INJECTED = 'not injected: ';

export const SIDECAR_NAME = 'spillway';
export const TOKEN_VOLUME = 'spillway-token';
/** Keeps what `record-dir` says beyond the sidecar's restarts; there only where that is set. */
export const RECORD_VOLUME = 'spillway-records';
/** Shared with the agent's container: the file of the hook, and the socket that the hook connects to. */
export const HOOK_VOLUME = 'spillway-hook';
/** Where that volume is mounted, in both containers. */
export const HOOK_DIR = '/var/run/spillway-hook';
/** What makes Node load the hook. */
export const HOOK_REQUIRE = `--require=${HOOK_DIR}/register.cjs`;
/** Where programs look for a service account's token. */
export const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Port of the sidecar's probes, metrics and status. */
export const SIDECAR_PORT = 9797;
