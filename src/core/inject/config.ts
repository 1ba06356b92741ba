import type { Resources } from './pod.ts';

/** Where the image is published; the tag is the version. */
export const IMAGE_REPOSITORY = 'ghcr.io/spillway-dev/spillway';

/** How the sidecar is made: what the chart's values say, or `--sidecar FILE`. */
export interface InjectConfig {
  image: string;
  imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  /** As a native sidecar (Kubernetes 1.29 or newer): started before the agent, ended after it. Else one more container. */
  native: boolean;
  /** Whether it may post Events: mounts a token of its own. */
  events: boolean;
  /** Options of the guardian by key, as text: `{shedRatio: '0.8'}`. */
  options: Record<string, string>;
  resources: Resources;
  /**
   * Whether the hook also goes into containers without a NODE_OPTIONS in `env`. It would replace one in the image, which no manifest
   * shows.
   */
  addNodeOptions: boolean;
  /** Entry of a Secret in the pod's own namespace that holds the webhook's URL; one that is not there is passed over. */
  webhookUrlSecret?: { name: string; key: string };
}

/** The configuration where nothing is said. @param version of the guardian's image */
export function defaultInjectConfig(version: string): InjectConfig {
  return {
    image: `${IMAGE_REPOSITORY}:${version}`,
    imagePullPolicy: 'IfNotPresent',
    native: true,
    events: true,
    options: {},
    addNodeOptions: false,
    // of cpu what it takes near the limit (40m): on a node without any to spare it has no more than it asks for, and with 10m it
    // answered probes up to 4 s late
    resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '128Mi' } },
  };
}

/** What of the options of `spillway guard` an annotation `spillway.dev/<flag>` may set. */
export interface AnnotationOptions {
  /** Flags without their dashes: `shed-ratio`. */
  readonly flags: ReadonlySet<string>;
  /**
   * What is wrong with values, by flag. Also told of values that are right alone and not beside the others or the
   * configured ones, which `configured` holds by key.
   */
  problems(
    values: Readonly<Record<string, string>>,
    configured: Readonly<Record<string, string>>,
  ): { flag: string; message: string }[];
}
