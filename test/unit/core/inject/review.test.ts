import { describe, expect, it } from 'vitest';
import { ANNOTATION_OPTIONS } from '../../../../src/config/inject-config.ts';
import { defaultInjectConfig } from '../../../../src/core/inject/config.ts';
import { inject } from '../../../../src/core/inject/inject.ts';
import { answerReview } from '../../../../src/core/inject/review.ts';
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

describe('a review', () => {
  it.each(podCorpus())('of $name is answered as the function does', ({ pod, expect: expected }) => {
    const { result, review } = answer(pod) ?? {};
    const function_ = inject(pod, CONFIG, ANNOTATION_OPTIONS);
    expect(result).toBe(expected.replace(/^not injected.*/, 'not-injected'));
    expect(review).toMatchObject({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' });
    const { uid, allowed, patch, patchType, warnings = [] } = review?.response ?? { uid: '', allowed: false };
    expect([uid, allowed]).toEqual(['u', true]);
    expect(warnings).toEqual(function_.warnings.map((warning) => `spillway: ${warning}`));
    if (result !== 'injected') return expect([patch, patchType]).toEqual([undefined, undefined]);
    expect(patchType).toBe('JSONPatch');
    const operations = JSON.parse(Buffer.from(patch ?? '', 'base64').toString('utf8'));
    expect('pod' in function_ && function_.pod).toEqual(patched(pod, operations));
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
      expect(review?.response.warnings).toEqual([expect.stringContaining('not injected')]);
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
