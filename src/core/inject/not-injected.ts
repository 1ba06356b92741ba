import { clean } from '../lib/text.ts';
import type { Answer } from './review.ts';

/** Of Kubernetes: the longest name of an object. */
const MAX_NAME = 253;
const MAX_REASON = 500;

/**
 * A line for the log about a pod that asked for a guardian and goes without: where controllers create the pods, nobody sees the answer's
 * warnings. `undefined` where there is nothing to say.
 * @param body what was sent, parsed: by anybody, so of any length and with any character
 */
export function notInjectedLine(body: unknown, { result, review }: Answer): string | undefined {
  if (result === 'injected' || result === 'unchanged' || result === 'declined') return undefined;
  const { auditAnnotations, warnings = [] } = review.response;
  const why = auditAnnotations?.['injection'] ?? warnings.join('; ');
  return `not injected: ${subject(body)}: ${clean(why.replace(/^(?:spillway: )?not injected: /, ''), MAX_REASON)}`;
}

/** `NAMESPACE/NAME`; what a controller creates has no name yet, but the beginning of one. */
function subject(body: unknown): string {
  const { namespace, name, object } = (body as { request?: Request } | null)?.request ?? {};
  const { name: given, generateName } = object?.metadata ?? {};
  const known = [name, given].find(isText) ?? (isText(generateName) ? `${generateName}*` : '?');
  return clean(`${isText(namespace) ? namespace : '?'}/${known}`, 2 * MAX_NAME);
}

interface Request {
  namespace?: unknown;
  name?: unknown;
  object?: { metadata?: { name?: unknown; generateName?: unknown } | null } | null;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
