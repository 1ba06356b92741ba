import { messageOf } from '../lib/errors.ts';
import type { AnnotationOptions, InjectConfig } from './config.ts';
import { type Injected, inject } from './inject.ts';
import { jsonPatch } from './patch.ts';
import type { Pod } from './pod.ts';
import type { Bounds } from './room.ts';
import { podsOf } from './workload.ts';

/** What came of a request for admission. `failed`: it was not understood. */
export type ReviewResult = 'injected' | 'unchanged' | 'declined' | 'not-injected' | 'failed';
export const REVIEW_RESULTS: readonly ReviewResult[] = [
  'injected',
  'unchanged',
  'declined',
  'not-injected',
  'failed',
];

/** An answer to an AdmissionReview (`admission.k8s.io/v1`), which always admits. */
export interface Answer {
  result: ReviewResult;
  review: { apiVersion: string; kind: 'AdmissionReview'; response: ReviewResponse };
}

interface ReviewResponse {
  uid: string;
  allowed: true;
  patchType?: 'JSONPatch';
  /** In base64. */
  patch?: string;
  warnings?: string[];
  auditAnnotations?: Record<string, string>;
}

/**
 * Answers a request for admission with the patch that adds the sidecar. Whatever is wrong with the pod, it is admitted.
 * @param body what was sent, parsed
 * @param bounds what is left in the pod's namespace, where that is known
 * @returns `undefined` when that is no AdmissionReview
 */
export function answerReview(
  body: unknown,
  config: InjectConfig,
  options: AnnotationOptions,
  bounds?: Bounds,
): Answer | undefined {
  const review = body as {
    apiVersion?: unknown;
    kind?: unknown;
    request?: { uid?: unknown; object?: unknown };
  } | null;
  const { uid, object } = review?.request ?? {};
  if (
    review?.kind !== 'AdmissionReview' ||
    review.apiVersion !== 'admission.k8s.io/v1' ||
    typeof uid !== 'string'
  )
    return undefined;
  const answer = (result: ReviewResult, response: Omit<ReviewResponse, 'uid' | 'allowed'>): Answer => ({
    result,
    review: {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid, allowed: true, ...response },
    },
  });
  // the object of a request need not say what it is: here it is always a Pod
  const [place] = podsOf({ ...(object as object | null), apiVersion: 'v1', kind: 'Pod' });
  if (!place) return answer('failed', { warnings: [named('not injected: the request holds no pod')] });
  const { pod } = place;
  let result: Injected;
  try {
    result = inject(pod, config, options, bounds);
  } catch (error) {
    // a fault of ours must not keep a pod from starting
    return answer('failed', { warnings: [named(`not injected: unexpected: ${messageOf(error)}`)] });
  }
  const warnings = result.warnings.length > 0 ? { warnings: result.warnings.map(named) } : {};
  if (!('pod' in result)) {
    const auditAnnotations = { injection: `not injected: ${result.reason}` };
    return answer(result.warnings.length > 0 ? 'not-injected' : 'declined', {
      ...patchOf(pod, result.without ?? pod),
      ...warnings,
      auditAnnotations,
    });
  }
  if (result.pod === pod) return answer('unchanged', warnings);
  return answer('injected', {
    ...patchOf(pod, result.pod),
    ...warnings,
    auditAnnotations: { injection: 'injected' },
  });
}

function patchOf(before: Pod, after: Pod): Pick<ReviewResponse, 'patchType' | 'patch'> {
  const patch = jsonPatch(before, after);
  return patch.length === 0 ? {} : { patchType: 'JSONPatch', patch: base64(JSON.stringify(patch)) };
}

/** The namespace that a review is about, and `undefined` where it is none. */
export function namespaceIn(body: unknown): string | undefined {
  const { namespace } = (body as { request?: { namespace?: unknown } | null } | null)?.request ?? {};
  return typeof namespace === 'string' && /^[a-z0-9-]{1,63}$/.test(namespace) ? namespace : undefined;
}

function named(warning: string): string {
  return `spillway: ${warning}`;
}

function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(''));
}
