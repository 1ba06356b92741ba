import { setTimeout as sleep } from 'node:timers/promises';
import type { Assembly } from '../compose.ts';
import type { Config } from '../config/options.ts';
import { type Address, formatAddress } from '../core/lib/address.ts';
import { messageOf } from '../core/lib/errors.ts';
import { removeLeftovers } from '../exporters/profile-files.ts';

/** Time for events still on their way when the guardian ends. */
const TELL_GRACE_MS = 2000;
const FLUSH_GRACE_MS = 500;
/** A directory that does not answer (a dead network mount) must not keep the agent from starting. */
const RESTORE_MS = 1000;

/**
 * Loads the reports of earlier runs, before new ones can be written. An end that an earlier guardian did not live to see is
 * reported now.
 */
export async function restore({ recorder, guardian }: Assembly, { recordDir }: Config): Promise<void> {
  const restored = recorder.open().then((vanished) => {
    if (vanished) guardian.reportVanished(vanished);
  });
  const tidied = recordDir === undefined ? undefined : removeLeftovers(recordDir);
  await Promise.race([Promise.all([restored, tidied]), sleep(RESTORE_MS, undefined, { ref: false })]);
}

/**
 * Opens the address and says where it is.
 * @throws SpillwayError `listen` when the address cannot be bound
 */
export async function listen({ http, admin, logger }: Assembly, config: Config): Promise<Address> {
  const address = await http.listen(config.listen);
  logger.info(`listening on http://${formatAddress(address)}`, { address: formatAddress(address) });
  try {
    const bound = await admin.listen(config.adminListen);
    logger.info(`admin endpoint on http://${formatAddress(bound)}`, { adminAddress: formatAddress(bound) });
  } catch (error) {
    // to guard is worth more than to be asked: a second guardian on a machine finds the usual port taken
    logger.warn(`no admin endpoint: ${messageOf(error)}`);
  }
  return address;
}

/** Ends everything gracefully. Events not delivered in time are counted and logged. */
export async function close({
  guardian,
  remediation,
  admin,
  http,
  hooks,
  logger,
  notifier,
  recorder,
}: Assembly): Promise<void> {
  guardian.stop();
  await remediation.close();
  const [lost] = await Promise.all([
    notifier.close(TELL_GRACE_MS),
    recorder.close(TELL_GRACE_MS),
    http.close(),
    hooks.close(),
    admin.close(),
  ]);
  for (const { sink, lost: count } of lost)
    if (count > 0) logger.warn(`${sink}: ${count} events were not delivered before the shutdown`);
  await logger.flush(FLUSH_GRACE_MS);
}
