import { ANNOTATION_OPTIONS } from '../../../src/config/inject-config.ts';
import { defaultInjectConfig } from '../../../src/core/inject/config.ts';
import { inject } from '../../../src/core/inject/inject.ts';
import { notInjectedLine } from '../../../src/core/inject/not-injected.ts';
import { answerReview } from '../../../src/core/inject/review.ts';
import { noRoom, UNBOUNDED } from '../../../src/core/inject/room.ts';
import { golden } from '../../support/golden.ts';
import { podCorpus } from '../../support/pod-corpus.ts';

const CONFIG = defaultInjectConfig('1');

golden('inject', () => [...ofPods(), ...ofRooms(), ...ofReviews()]);

/** Of each pod in `test/fixtures/pods`, the warnings, or why it declines. */
function ofPods(): string[] {
  return podCorpus().flatMap(({ name, pod }) => {
    const result = inject(pod, CONFIG, ANNOTATION_OPTIONS);
    const declined = 'reason' in result && result.warnings.length === 0 ? [result.reason] : [];
    return [...declined, ...result.warnings].map((line) => `${name}: ${line}`);
  });
}

function ofRooms(): string[] {
  const resources = { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '64Mi' } };
  const pod = { spec: { containers: [{ name: 'agent', resources }] } };
  const whole = { spec: { containers: [{ name: 'agent' }], resources: { limits: { memory: '64Mi' } } } };
  const quota = (hard: Record<string, string>) => ({ metadata: { name: 'q' }, status: { hard } });
  const range = (limits: object) => ({
    metadata: { name: 'l' },
    spec: { limits: [{ type: 'Container', ...limits }] },
  });
  const bare = { ...CONFIG, resources: { requests: { memory: '64Mi' } } };
  const ratio = { maxLimitRequestRatio: { cpu: '3' } };
  const said = [
    noRoom(pod, CONFIG, { ...UNBOUNDED, quotas: [quota({ memory: '1' })] }),
    noRoom(pod, CONFIG, { ...UNBOUNDED, quotas: [quota({ cpu: '1m', memory: '1' })] }),
    noRoom(pod, bare, { ...UNBOUNDED, quotas: [quota({ 'limits.memory': '1T', cpu: '100' })] }),
    noRoom(pod, CONFIG, { ...UNBOUNDED, limitRanges: [range({ min: { memory: '129Mi' } })] }),
    noRoom(pod, CONFIG, { ...UNBOUNDED, limitRanges: [range({ max: { memory: '127Mi' } })] }),
    noRoom(pod, CONFIG, { ...UNBOUNDED, limitRanges: [range(ratio)] }),
    noRoom(whole, CONFIG, { ...UNBOUNDED, limitRanges: [range({ default: { memory: '64Mi' } })] }),
  ];
  return said.map(String);
}

/** What the log says of pods that go without, by what the webhook was asked. */
function ofReviews(): string[] {
  const spec = { containers: [{ name: 'agent' }], hostPID: true };
  const requests = [
    { name: 'a', object: { spec } },
    { name: '', object: { metadata: { generateName: 'chat-7d4b9c6f5d-' }, spec } },
    { object: { spec: 1 } },
    {},
  ];
  return requests.map((request) => {
    const body = {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: { uid: 'u', namespace: 'agents', ...request },
    };
    const answer = answerReview(body, CONFIG, ANNOTATION_OPTIONS);
    return String(answer && notInjectedLine(body, answer));
  });
}
