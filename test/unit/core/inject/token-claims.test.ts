import { expect, it } from 'vitest';
import { tokenClaims } from '../../../../src/core/inject/token-claims.ts';

const NONE = { namespace: undefined, serviceAccount: undefined, podName: undefined, podUid: undefined };
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const token = (claims: unknown) => `${part({ alg: 'RS256' })}.${part(claims)}.c2ln`;

it('reads who holds a token that is bound to a pod', () => {
  const claims = {
    iss: 'https://kubernetes.default.svc',
    'kubernetes.io': {
      namespace: 'team',
      node: { name: 'n1' },
      pod: { name: 'agent-ä-1', uid: 'u-1' },
      serviceaccount: { name: 'runner', uid: 'u-2' },
    },
  };
  expect(tokenClaims(token(claims))).toEqual({
    namespace: 'team',
    serviceAccount: 'runner',
    podName: 'agent-ä-1',
    podUid: 'u-1',
  });
});

it.each([
  '',
  'opaque',
  'a.!!!.c',
  token(null),
  token([]),
  token('x'),
  token({ 'kubernetes.io': 1 }),
  token({ 'kubernetes.io': { pod: { name: 7 }, serviceaccount: null, namespace: '' } }),
])('claims nothing for %j', (text) => {
  expect(tokenClaims(text)).toEqual(NONE);
});
