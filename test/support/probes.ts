import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import type { Status } from '../../src/core/model/status.ts';
import type { PostMortem } from '../../src/core/report/post-mortem.ts';
import type { GuardianProcess } from './cli.ts';

/** One answer of `/readyz`. */
export interface Probe {
  code: number;
  headers: Headers;
  body: Status;
}

/** Asks `/readyz` every 10 ms until the guardian ends or `stop` is called. */
export function watchReadiness(guardian: GuardianProcess) {
  const probes: Probe[] = [];
  let on = true;
  const done = (async () => {
    while (on) {
      try {
        const answer = await guardian.get('/readyz');
        probes.push({
          code: answer.status,
          headers: answer.headers,
          body: (await answer.json()) as Status,
        });
      } catch {
        break; // it has ended
      }
      await sleep(10);
    }
  })();
  return {
    probes,
    refusals: () => probes.filter(({ code }) => code === 503),
    async stop() {
      on = false;
      await done;
    },
  };
}

/** A directory for `--record-dir`; removed with the test. */
export function recordDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'record-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** The reports kept in it, in order of time. */
export function reportsIn(directory: string): PostMortem[] {
  return readdirSync(directory)
    .filter((name) => name.startsWith('post-mortem-'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(directory, name), 'utf8')) as PostMortem);
}
