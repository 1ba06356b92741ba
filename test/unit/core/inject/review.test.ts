import { describe, expect, it } from 'vitest';
import { ANNOTATION_OPTIONS } from '../../../../src/config/inject-config.ts';
import { defaultInjectConfig } from '../../../../src/core/inject/config.ts';
import { inject } from '../../../../src/core/inject/inject.ts';
import type { Pod } from '../../../../src/core/inject/pod.ts';
import { answerReview, namespaceIn } from '../../../../src/core/inject/review.ts';
import { uninject } from '../../../../src/core/inject/uninject.ts';
import { patched } from '../../../support/json-patch.ts';
import { podCorpus } from '../../../support/pod-corpus.ts';

const CONFIG = defaultInjectConfig('1');
const answer = (object: unknown, changes: object = {}) =>
  answerReview(
    {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: { uid: 'u', kind: { kind: 'Pod' }, object },
      ...changes,
    },
    CONFIG,
    ANNOTATION_OPTIONS,
  );

/** Also of one that was copied. */
function withoutStatus({ metadata }: Pod) {
  const { 'spillway.dev/status': _, ...annotations } = metadata?.annotations ?? {};
  return annotations;
}

describe('a review', () => {
  it.each(podCorpus())('of $name is answered as the function does', ({ pod, expect: expected }) => {
    const { result, review } = answer(pod) ?? {};
    const function_ = inject(pod, CONFIG, ANNOTATION_OPTIONS);
    expect(result).toBe(expected);
    expect(review).toMatchObject({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' });
    const { uid, allowed, patch, patchType, warnings = [] } = review?.response ?? { uid: '', allowed: false };
    expect([uid, allowed]).toEqual(['u', true]);
    expect(warnings).toEqual(function_.warnings.map((warning) => `spillway: ${warning}`));
    if (result !== 'injected') return expect([patch, patchType]).toEqual([undefined, undefined]);
    expect(patchType).toBe('JSONPatch');
    const operations = JSON.parse(Buffer.from(patch ?? '', 'base64').toString('utf8'));
    expect('pod' in function_ && function_.pod).toEqual(patched(pod, operations));
  });

  it.each(podCorpus())('of $name leaves it as it was where there is no room', ({ pod, expect: expected }) => {
    const quotas = [{ metadata: { name: 'q' }, status: { hard: { 'limits.memory': '1' } } }];
    const request = { uid: 'u', object: pod };
    const body = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
    const given = answerReview(body, CONFIG, ANNOTATION_OPTIONS, { quotas, limitRanges: [] });
    // what asks for resources as a whole asks for no more with the sidecar
    if (!['injected', 'unchanged'].includes(expected) || pod.spec?.resources)
      return expect(given).toEqual(answer(pod));
    const text = "not injected: ResourceQuota q has no room for the sidecar's limits.memory (128Mi)";
    expect(given?.result).toBe('not-injected');
    const { patch, warnings, auditAnnotations } = given?.review.response ?? {};
    expect([warnings, auditAnnotations]).toEqual([[`spillway: ${text}`], { injection: text }]);
    const without = patched(pod, JSON.parse(Buffer.from(patch ?? '', 'base64').toString('utf8'))) as Pod;
    expect(without.metadata?.annotations?.['spillway.dev/status']).toBe(text);
    const { 'spillway.dev/status': _, ...annotations } = without.metadata?.annotations ?? {};
    const bare = uninject(pod);
    expect({ ...without, metadata: { ...without.metadata, annotations } }).toEqual({
      ...bare,
      metadata: { ...bare.metadata, annotations: withoutStatus(bare) },
    });
    const again = { ...body, request: { uid: 'u', object: without } };
    const second = answerReview(again, CONFIG, ANNOTATION_OPTIONS, { quotas, limitRanges: [] });
    expect([second?.result, second?.review.response.patch]).toEqual(['not-injected', undefined]);
    expect(answer(without)?.result).toBe('injected');
  });

  it('tells its namespace, where it names one', () => {
    expect(namespaceIn({ request: { namespace: 'agents' } })).toBe('agents');
    for (const body of [null, 1, {}, { request: null }, { request: { namespace: '../secrets' } }])
      expect(namespaceIn(body)).toBeUndefined();
  });

  it('may say what is not ASCII', () => {
    const { pod } = podCorpus().find(({ name }) => name === 'plain') ?? {};
    const patch = answerReview(
      { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: { uid: 'u', object: pod } },
      { ...CONFIG, options: { recordDir: '/räume/🗄' } },
      ANNOTATION_OPTIONS,
    )?.review.response.patch;
    expect(Buffer.from(patch ?? '', 'base64').toString('utf8')).toContain('/räume/🗄');
  });

  it('is answered also by a fault of ours, and when an annotation is long', () => {
    const { pod } = podCorpus().find(({ name }) => name === 'plain') ?? {};
    const request = {
      uid: 'u',
      object: { ...pod, metadata: { annotations: { 'spillway.dev/record-dir': `/${'a'.repeat(200_000)}` } } },
    };
    const body = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
    expect(answerReview(body, CONFIG, ANNOTATION_OPTIONS)?.result).toBe('injected');
    const broken = {
      ...ANNOTATION_OPTIONS,
      problems: () => {
        throw new Error('a fault');
      },
    };
    const { result, review } = answerReview(body, CONFIG, broken) ?? {};
    expect([result, review?.response.allowed]).toEqual(['failed', true]);
    expect(review?.response.warnings).toEqual(['spillway: not injected: unexpected: a fault']);
  });

  it('that holds no pod is admitted with a warning', () => {
    for (const object of [null, undefined, 1, {}, { spec: 1 }, { spec: { containers: [null] } }]) {
      const { result, review } = answer(object) ?? {};
      expect([result, review?.response.allowed]).toEqual(['failed', true]);
      expect(review?.response.warnings).toHaveLength(1);
    }
  });

  it('is none when it is not of this kind and version', () => {
    expect(answer({}, { kind: 'Else' })).toBeUndefined();
    expect(answer({}, { apiVersion: 'admission.k8s.io/v1beta1' })).toBeUndefined();
    expect(answer({}, { request: {} })).toBeUndefined();
    for (const body of [null, 1, 'a', []])
      expect(answerReview(body, CONFIG, ANNOTATION_OPTIONS)).toBeUndefined();
  });
});
