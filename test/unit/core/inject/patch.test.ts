import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ANNOTATION_OPTIONS } from '../../../../src/config/inject-config.ts';
import { defaultInjectConfig } from '../../../../src/core/inject/config.ts';
import { inject } from '../../../../src/core/inject/inject.ts';
import { equal, jsonPatch, replacedAt } from '../../../../src/core/inject/patch.ts';
import { uninject } from '../../../../src/core/inject/uninject.ts';
import { patched } from '../../../support/json-patch.ts';
import { podCorpus } from '../../../support/pod-corpus.ts';

describe('a patch', () => {
  it('turns any value into any other', () => {
    const json = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }));
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(equal(patched(a, jsonPatch(a, b)), b)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('turns lists into lists that differ in the middle', () => {
    const list = fc.array(
      fc.oneof(fc.integer({ max: 3, min: 0 }), fc.record({ a: fc.integer({ max: 2, min: 0 }) })),
    );
    fc.assert(
      fc.property(list, list, (a, b) => {
        expect(patched({ a }, jsonPatch({ a }, { a: b }))).toEqual({ a: b });
      }),
      { numRuns: 500 },
    );
  });

  it('only adds to a pod, and only takes away again', () => {
    for (const { name, pod, expect: expected, hook } of podCorpus()) {
      const result = inject(pod, defaultInjectConfig('1'), ANNOTATION_OPTIONS);
      if (!('pod' in result) || expected !== 'injected') continue;
      const patch = jsonPatch(pod, result.pod);
      // but where a mesh's own container gets one more port to leave alone
      if (name !== 'mesh-istio-first') {
        expect(patch.length, name).toBeLessThanOrEqual(hook ? 8 : 5);
        expect(new Set(patch.map((operation) => (operation as { op: string }).op))).toEqual(new Set(['add']));
      }
      expect(patched(pod, patch)).toEqual(result.pod);
      expect(patched(result.pod, jsonPatch(result.pod, uninject(result.pod)))).toEqual(uninject(result.pod));
    }
  });

  it('escapes what a path cannot hold', () => {
    expect(jsonPatch({ a: {} }, { a: { 'b/c~d': 1 } })).toEqual([
      { op: 'add', path: '/a/b~1c~0d', value: 1 },
    ]);
    expect(jsonPatch({ a: 1 }, { a: 1 })).toEqual([]);
  });

  it('leaves what it replaces in as it was', () => {
    const value = { a: [{ b: 1 }, { c: 2 }] };
    expect(replacedAt(value, ['a', 1, 'c'], 3)).toEqual({ a: [{ b: 1 }, { c: 3 }] });
    expect(value).toEqual({ a: [{ b: 1 }, { c: 2 }] });
  });
});
