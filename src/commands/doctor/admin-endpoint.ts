import { type Config, OPTIONS } from '../../config/options.ts';
import { formatAddress, isLoopback } from '../../core/lib/address.ts';
import { fail, type Outcome, pass } from './check.ts';
import { isTaken } from './listening.ts';

const ASK_MS = 500;

/**
 * Whether requests to act can come in. Beside a running guardian its address is in use, by that very one.
 * @param beside a guardian may be at work here already: that of the agent found
 */
export async function adminEndpoint(
  { adminListen, adminToken }: Config,
  { beside }: { beside: boolean },
): Promise<Outcome> {
  const where = OPTIONS.adminListen.type.render(adminListen);
  const who = adminToken !== undefined ? 'with the token' : 'from this host';
  if (!(await isTaken(adminListen))) return pass(`POST to ${where}, ${who}`);
  const guardian = await answersAsGuardian(adminListen);
  if (guardian && beside) return pass(`POST to ${where}, ${who}: a guardian listens there`);
  return fail(
    guardian ? 'other_guardian' : 'other_process',
    `${where} is in use by another ${guardian ? 'guardian' : 'process'}`,
    'choose another port with --admin-listen',
  );
}

/** A `GET` does nothing there: it is answered with 405, or 401 by one that wants its token. */
async function answersAsGuardian({ host, port }: Config['adminListen']): Promise<boolean> {
  const name = isLoopback(host) && host.includes(':') ? '::1' : '127.0.0.1';
  try {
    const { status, headers } = await fetch(`http://${formatAddress({ host: name, port })}/v1/gc`, {
      signal: AbortSignal.timeout(ASK_MS),
      redirect: 'manual',
    });
    return status === 401
      ? headers.get('www-authenticate')?.includes('realm="spillway"') === true
      : status === 405 && headers.get('allow') === 'POST';
  } catch {
    return false;
  }
}
