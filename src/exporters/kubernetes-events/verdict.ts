import { SpillwayError } from '../../core/lib/errors.ts';
import type { Advised } from '../../core/model/notice.ts';
import { type ApiAnswer, eventRights, type PodIdentity } from '../../core/report/kubernetes-event.ts';

/** Rights are given by people: asking more often only costs the API server. */
const RIGHTS_AGAIN_MS = 120_000;
/** Of the 4xx, those that pass: request timeout, too early, too many requests. */
const PASSING = new Set([408, 425, 429]);
/** How a denial by RBAC reads; admission and quotas deny with 403 too. */
const NO_RIGHT = /\bcannot (create|patch) resource\b/;
const QUOTA = /exceeded quota/;

export function isTaken({ status }: ApiAnswer): boolean {
  return status >= 200 && status < 300;
}

/** Whether it is the service account that may not do this. */
export function lacksRight({ status, message }: ApiAnswer): boolean {
  return status === 403 && NO_RIGHT.test(message);
}

/** What is missing, with the manifests that give it. */
export function rightsAdvice({ message }: ApiAnswer, { namespace, serviceAccount }: PodIdentity): Advised {
  const [, , named] = /"system:serviceaccount:([^:"]+):([^"]+)"/.exec(message) ?? [];
  const account = serviceAccount ?? named ?? 'default';
  return {
    code: 'events_forbidden',
    message: `The service account ${account} may not create and patch Events in ${namespace}`,
    hint: `Apply these rules, or have the Helm chart add them (rbac.namespaces):\n${eventRights(namespace, account)}`,
  };
}

/** What an answer that is no success means for the event. */
export function failureOf(answer: ApiAnswer, pod: PodIdentity): SpillwayError {
  const { status, retryAfterMs } = answer;
  const said = `the API server answered ${status}${answer.message && `: ${answer.message}`}`;
  if (status === 401)
    return new SpillwayError('sink', said, {
      hint: 'The API server rejects its token: the token has expired, or its pod or service account was deleted',
    });
  const forbidden = rightsAdvice(answer, pod);
  if (lacksRight(answer))
    return new SpillwayError('sink', said, {
      retryAfterMs: RIGHTS_AGAIN_MS,
      hint: `${forbidden.message}. ${forbidden.hint}`,
    });
  if (status === 403 && QUOTA.test(answer.message))
    return new SpillwayError('sink', said, { retryAfterMs: RIGHTS_AGAIN_MS });
  if (status >= 500 || status === 409 || PASSING.has(status))
    return new SpillwayError('sink', said, { retryAfterMs });
  return new SpillwayError('sink', said, { retryable: false }); // a namespace that ends (404, 403), an event that is refused (400, 422), …
}
