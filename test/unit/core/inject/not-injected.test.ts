import { describe, expect, it } from 'vitest';
import { ANNOTATION_OPTIONS } from '../../../../src/config/inject-config.ts';
import { defaultInjectConfig } from '../../../../src/core/inject/config.ts';
import { notInjectedLine } from '../../../../src/core/inject/not-injected.ts';
import { answerReview } from '../../../../src/core/inject/review.ts';

const review = (request: object) => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: { uid: 'u', namespace: 'agents', ...request },
});
function lineFor(request: object): string | undefined {
  const body = review(request);
  const answer = answerReview(body, defaultInjectConfig('1'), ANNOTATION_OPTIONS);
  if (!answer) throw new Error('no review');
  return notInjectedLine(body, answer);
}
const spec = { containers: [{ name: 'agent' }] };
const HOST = { ...spec, hostPID: true };

describe('what the log says of a pod', () => {
  it('should name it and the reason, where it goes without a guardian', () => {
    const line = lineFor({ name: 'a', object: { spec: HOST } });
    expect(line).toContain('agents/a');
    expect(line).toContain('hostPID');
    const object = { metadata: { generateName: 'chat-7d4b9c6f5d-' }, spec: HOST };
    expect(lineFor({ name: '', object })).toContain('agents/chat-7d4b9c6f5d-*');
    expect(lineFor({})).toContain('agents/?');
  });

  it('should be nothing where it gets one, or declines', () => {
    expect(lineFor({ object: { metadata: {}, spec } })).toBeUndefined();
    const labels = { 'spillway.dev/inject': 'false' };
    expect(lineFor({ object: { metadata: { labels }, spec } })).toBeUndefined();
  });

  it('should be one line of bounded length, whoever sent it', () => {
    const line = lineFor({ namespace: '\u001b[2J\n', name: 'x'.repeat(1e6), object: { spec: HOST } }) ?? '';
    expect(line.length).toBeLessThan(1100);
    expect(line).not.toMatch(/\p{Cc}/u);
  });
});
