import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePrivateCgroup } from '../../../src/wrap/private-cgroup.ts';
import { median, quantile, table } from '../support/numbers.ts';
import { nowMs, probe, untilReady } from '../support/probe.ts';
import {
  launchGuard,
  launchIdle,
  launchServer,
  nodeVersion,
  type Running,
  type Setting,
} from '../support/programs.ts';

const LIMITS_MIB = [96, 80, 72, 64, 56, 48, 40, 32];
const GOOD_MS = 10;
const START_WITHIN_MS = 20_000;
const PROBE_FOR_MS = 5000;
const PROBE_EVERY_MS = 20;

/**
 * Lowers the limit until `/readyz` is slow. The process runs from its own copy of the binary, dropped from the file cache
 * before each start: as in a fresh container, the binary's pages are charged to it and to nobody else.
 */
export async function smallest(setting: Setting): Promise<void> {
  const rows = [['Node', 'program', 'limit', 'first 200', '/readyz p50', 'p99', '']];
  const directory = mkdtempSync(join(tmpdir(), 'spillway-bench-node-'));
  const idle = launchIdle();
  try {
    for (const original of setting.nodes) {
      const node = join(directory, nodeVersion(original));
      copyFileSync(original, node);
      const programs: [string, (inside: string) => Promise<Running & { port: number }>][] = [
        ['bare server', (inside) => launchServer(node, 'bare-server', [], inside)],
        ['guardian', (inside) => launchGuard(setting, node, idle.pid, inside)],
      ];
      for (const [name, start] of programs)
        for (const limit of LIMITS_MIB) {
          forget(node);
          const { readyMs, p50, p99 } = await measure(limit, start);
          const good = p50 < GOOD_MS;
          rows.push([
            nodeVersion(original),
            name,
            `${limit} MiB`,
            ms(readyMs),
            ms(p50),
            ms(p99),
            good ? 'good' : 'too small',
          ]);
          if (!good) break;
        }
    }
  } finally {
    await idle.end();
    rmSync(directory, { recursive: true, force: true });
  }
  table(`Answering under a small memory limit, file cache cold; good: p50 below ${GOOD_MS} ms`, rows);
}

async function measure(limitMiB: number, start: (inside: string) => Promise<Running & { port: number }>) {
  const { group, reasons } = makePrivateCgroup({ limitBytes: limitMiB * 2 ** 20 });
  if (!group) throw new Error(`a limit needs a cgroup of its own: ${reasons.join('; ')}`);
  const never = { readyMs: Number.NaN, p50: Number.NaN, p99: Number.NaN };
  try {
    const startMs = nowMs();
    const started = await Promise.race([
      start(`${group.directory}/cgroup.procs`).catch(() => undefined), // killed at once: as bad as never
      sleep(START_WITHIN_MS).then(() => undefined),
    ]);
    if (!started || !(await untilReady(started.port, START_WITHIN_MS))) return never;
    const readyMs = nowMs() - startMs;
    await sleep(1000);
    const asking = probe(started.port, PROBE_EVERY_MS);
    await sleep(PROBE_FOR_MS);
    asking.stop();
    await started.end();
    // a few answers in 5 s are seconds each: no median to be had, and not good
    if (asking.latencies.length < 10) return { ...never, readyMs };
    return { readyMs, p50: median(asking.latencies), p99: quantile(asking.latencies, 0.99) };
  } finally {
    await group.remove();
  }
}

/** Writes a file out and drops it from the file cache; the kernel keeps pages that a process has mapped. */
function forget(file: string): void {
  execFileSync('sync', [file]);
  execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']);
}

const ms = (value: number) => (Number.isNaN(value) ? 'never' : `${value.toFixed(1)} ms`);
