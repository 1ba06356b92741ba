import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { type GuardianProcess, MIB, startGuardian, until } from '../support/cli.ts';
import { agent, describeWhere, itWhere, LACKS, makeGroup, VERSION } from '../support/kernel.ts';
import { NODES } from '../support/node-matrix.ts';

/** SURVIVE_RUNS=20 for the full count. */
const RUNS = Number(process.env['SURVIVE_RUNS'] ?? 3);
const LIMIT_MIB = 224;
/** A heap limit copied from a bigger machine, as it stands in many an image: V8 sees no reason to collect in time. */
const TOO_MUCH = '--max-old-space-size=4096';
/** A port of its own: the usual one may be held by another agent on this machine. */
const INSPECTOR = '--inspect-port=0';
const SESSIONS_SECONDS = 8;
/** From shedding to the kill it is 0.8 s, in which the guardian needs a processor while the agent takes one. */
const LACKS_PROCESSOR = availableParallelism() > 1 ? undefined : 'a second processor';
const REQUESTS = 75;
/** The agent with nobody to help it, in a container of its own. */
function startAlone(command: readonly string[]) {
  const group = makeGroup({ limitBytes: LIMIT_MIB * MIB });
  const [first = '', ...rest] = [...group.enter, ...command];
  const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (data) => (out += data));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const kills = join(group.directory, VERSION === 1 ? 'memory.oom_control' : 'memory.events');
  return {
    out: () => out,
    /** How it ended, once it has; `undefined` while it lives. */
    end: () => child.signalCode ?? child.exitCode ?? undefined,
    ended,
    oomKills: () => Number(/^oom_kill (\d+)/m.exec(readFileSync(kills, 'utf8'))?.[1]),
  };
}

const startGuarded = (command: readonly string[]) =>
  startGuardian('run', ['--limit', `${LIMIT_MIB}Mi`, '--', ...command]);

const onNode = (bin: string, name: string, ...args: (string | number)[]) => [
  bin,
  TOO_MUCH,
  INSPECTOR,
  ...agent(name, ...args).slice(1),
];

/** Offers the same requests at fixed times; the share that was answered. Who has ended answers no more. */
async function shareServed(output: () => string, ended: () => boolean): Promise<number> {
  const listening = /port (\d+), a request every (\d+)/;
  await until(() => listening.test(output()), 'the agent listens');
  const [port, everyMs] = (listening.exec(output()) ?? []).slice(1).map(Number);
  const url = `http://127.0.0.1:${port}/`;
  const answers: Promise<number>[] = [];
  for (let i = 0; i < REQUESTS && !ended(); i++) {
    const answered = fetch(url).then((answer) => answer.json());
    answers.push(
      answered.then(
        () => 1,
        () => 0,
      ),
    );
    await sleep(everyMs);
  }
  const served = (await Promise.all(answers)).reduce((sum, one) => sum + one, 0);
  return served / REQUESTS;
}

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

describeWhere('an agent full of garbage under a limit', LACKS, () => {
  for (const { bin, version } of NODES) {
    // pages are charged to whoever reads them first: to no agent, so that none lives on by their being dropped and read again
    let held = -1;
    beforeAll(() => {
      held = openSync(bin, 'r');
      readFileSync(held);
    });
    afterAll(() => closeSync(held));

    itWhere(
      `that forgets its sessions dies alone and survives guarded, ${RUNS} of ${RUNS} (Node ${version})`,
      LACKS_PROCESSOR,
      async () => {
        for (let run = 0; run < RUNS; run++) {
          const command = onNode(bin, 'garbage-sessions', '--seconds', SESSIONS_SECONDS);
          const alone = startAlone(command);
          await alone.ended;
          expect([alone.end(), alone.oomKills(), alone.out()]).toEqual(['SIGKILL', 1, '']);

          const guarded = await startGuarded(command);
          const { code, out } = await guarded.ended;
          expect(code, told(guarded)).toBe(0);
          expect(out).toMatch(/^done \d+$/m);
          expect(guarded.events()).toContain('GarbageCollected');
        }
      },
      RUNS * 90_000,
    );

    it(
      `that reads large JSON serves its requests only when guarded, ${RUNS} of ${RUNS} (Node ${version})`,
      async () => {
        const shares: string[] = [];
        for (let run = 0; run < RUNS; run++) {
          const command = onNode(bin, 'json-burst-search');
          const alone = startAlone(command);
          const servedAlone = await shareServed(alone.out, () => alone.end() !== undefined);
          expect([alone.end(), alone.oomKills()]).toEqual(['SIGKILL', 1]);
          expect(servedAlone).toBeLessThan(1); // what was in flight at the kill, and after it, is lost

          const guarded = await startGuarded(command);
          const ended = () => guarded.child.exitCode !== null;
          const served = await shareServed(() => guarded.text.out, ended);
          shares.push(`${percent(served)} guarded, ${percent(servedAlone)} alone`);
          expect(ended(), told(guarded)).toBe(false);
          expect((await guarded.status()).oomKills).toBe(0);
          expect(served).toBe(1);
          guarded.child.kill('SIGTERM');
          await guarded.ended;
        }
        console.log(`requests served, Node ${version}: ${shares.join('; ')}`);
      },
      RUNS * 90_000,
    );
  }
});

/** What the guardian said, for when it was in vain. */
const told = (guardian: GuardianProcess) =>
  guardian
    .lines()
    .map(({ time, msg }) => `${time} ${msg}`)
    .join('\n');
