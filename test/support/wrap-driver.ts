import { randomUUID } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { startChild, startFailureStatus } from '../../src/wrap/child.ts';
import { endLeftovers } from '../../src/wrap/leftovers.ts';
import { makePrivateCgroup, sweepStale } from '../../src/wrap/private-cgroup.ts';
import { RUN_VARIABLE } from '../../src/wrap/processes.ts';
import { startReaper } from '../../src/wrap/reaper.ts';

/** A guardian reduced to what wrap mode does, so that it can be interrupted and killed. Bundled by wrap.ts. */
export interface DriverOptions {
  command: string;
  args: string[];
  /** File that gets a {@link DriverInfo} once the command runs. */
  info: string;
  limitBytes?: number;
  graceMs?: number;
  /** The reaper's. */
  shell?: string;
}

export interface DriverInfo {
  guardian: number;
  child: number;
  reaper: number;
  cgroup: string | null;
  version: number | null;
  reasons: string[];
  swept: string[];
}

const options = JSON.parse(process.argv[2] ?? '{}') as DriverOptions;
const runId = randomUUID();
const log = (line: string) => process.stderr.write(`${line}\n`);

const swept = await sweepStale();
const { group, reasons } = options.limitBytes
  ? makePrivateCgroup({ limitBytes: options.limitBytes })
  : { group: undefined, reasons: [] };
const reaper = await startReaper({
  runId,
  onLost: log,
  ...(options.shell ? { shell: options.shell } : {}),
  ...(options.graceMs ? { graceMs: options.graceMs } : {}),
  ...(group ? { cgroup: group } : {}),
});
let status: number;
try {
  const child = await startChild({
    command: options.command,
    args: options.args,
    env: { ...process.env, [RUN_VARIABLE]: runId },
    signals: process,
    onProblem: log,
    ...(group ? { cgroup: group } : {}),
  });
  if (typeof reaper !== 'string') reaper.watch(child.pid);
  const info: DriverInfo = {
    guardian: process.pid,
    child: child.pid,
    reaper: typeof reaper === 'string' ? 0 : reaper.pid,
    cgroup: group?.directory ?? null,
    version: group?.version ?? null,
    reasons,
    swept,
  };
  writeFileSync(`${options.info}.new`, JSON.stringify(info));
  renameSync(`${options.info}.new`, options.info);
  ({ status } = await child.exited);
} catch (error) {
  log(String(error));
  status = startFailureStatus(error);
}
const left = await endLeftovers({ runId, graceMs: 500, ...(group ? { groupPids: group.pids } : {}) });
if (left.length > 0) log(`left: ${left}`);
if (typeof reaper !== 'string') await reaper.done();
await group?.remove();
process.exit(status);
