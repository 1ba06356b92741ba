import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import type { GcRecord, GcVerdict } from '../../src/core/model/gc-record.ts';
import { isAlive, MIB, until } from '../support/cli.ts';
import { compileGo, compileJava, GO, JAVAS, runs } from '../support/compiled.ts';
import { startGuarded } from '../support/guarded.ts';
import { describeWhere, itWhere, LACKS } from '../support/kernel.ts';
import { HOOK, PYTHON, REMOTE_PYTHONS } from '../support/python.ts';

const PYTHON_AGENT = join(import.meta.dirname, '../support/agents/python-agent.py');
const [JAVA] = JAVAS;
const [REMOTE_PYTHON] = REMOTE_PYTHONS;
const LIMIT_MIB = 256;

/** Four fifths are enough to turn work away: before, Python may not be stopped for as long as its collection may take. */
const SHEDDING = ['--shed-ratio', '0.76', '--recover-margin', '0.04'];

/** Starts a command that fills four fifths of its limit; gives what a collection brought, and whether it works on. */
async function collectedFrom(
  command: string[],
  options: {
    runtime: string;
    verdict: GcVerdict[];
    env?: NodeJS.ProcessEnv;
    flags?: string[];
    /** Written to its input once its memory is taken. */
    atReady?: string;
  },
) {
  const { runtime, verdict, env, flags = [], atReady = '' } = options;
  const guarded = await startGuarded(
    'run',
    ['--limit', `${LIMIT_MIB}Mi`, ...flags, '--', ...command],
    // a program that reads its input waits for it
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    },
  );
  const pid = await guarded.agentPid();
  await until(() => guarded.text.out.includes('ready'), 'the memory is taken', 20_000);
  guarded.child.stdin?.write(atReady);
  expect((await guarded.status()).agent?.runtime).toBe(runtime);
  const last = async () => (await guarded.status()).lastGc;
  // what was refused while it started is tried again after half a minute
  await until(async () => verdict.includes((await last())?.verdict ?? 'timeout'), `it is ${verdict}`, 45_000);
  await sleep(500);
  const alive = isAlive(pid) && guarded.child.exitCode === null;
  return { guarded, lastGc: (await last()) as GcRecord, alive };
}

describeWhere('an agent in another runtime', LACKS, () => {
  itWhere('in Python with the hook gives its garbage back', PYTHON ? undefined : 'no python3', async () => {
    const command = [PYTHON ?? '', PYTHON_AGENT, 'cycles', 'sleep', '210'];
    const { guarded, lastGc, alive } = await collectedFrom(command, {
      runtime: 'python',
      verdict: ['freed'],
      env: { PYTHONPATH: HOOK },
      flags: SHEDDING,
    });
    expect(lastGc.freedBytes).toBeGreaterThan(150 * MIB);
    expect(alive).toBe(true);
    const before = guarded.text.out.length;
    await until(() => guarded.text.out.length > before, 'it works on');
  });

  itWhere(
    'in Python without it is left as it is, and told what is missing',
    PYTHON ? undefined : 'no python3',
    async () => {
      const command = [PYTHON ?? '', PYTHON_AGENT, 'cycles', 'sleep', '210'];
      const { lastGc, alive } = await collectedFrom(command, {
        runtime: 'python',
        verdict: ['refused'],
        flags: SHEDDING,
      });
      expect(lastGc).toMatchObject({ freedBytes: 0 });
      expect(lastGc.hint).toContain('spillway_hook');
      expect(alive).toBe(true);
    },
  );

  itWhere(
    'in Python 3.14 gives its garbage back without any preparation',
    REMOTE_PYTHON ? undefined : 'TEST_PYTHON314 names no Python',
    async () => {
      const command = [REMOTE_PYTHON ?? '', PYTHON_AGENT, 'cycles', 'sleep', '210'];
      const { guarded, lastGc, alive } = await collectedFrom(command, {
        runtime: 'python',
        verdict: ['freed'],
        flags: SHEDDING,
      });
      expect(lastGc.freedBytes).toBeGreaterThan(150 * MIB);
      expect(alive).toBe(true);
      const before = guarded.text.out.length;
      await until(() => guarded.text.out.length > before, 'it works on');
    },
  );

  itWhere(
    'on a JVM gives its garbage back',
    JAVA && runs('javac', '-version') ? undefined : 'no JDK',
    async () => {
      const classes = compileJava();
      onTestFinished(classes.remove);
      const flags = ['-Xms16m', '-Xmx400m', '-XX:+UseG1GC'];
      const command = [JAVA ?? '', ...flags, '-cp', classes.classPath, 'JvmAgent', '10', '150'];
      const { guarded, alive } = await collectedFrom(command, {
        runtime: 'jvm',
        verdict: ['freed'],
        flags: ['--warn-ratio', '0.5', '--shed-ratio', '0.6'],
        // a slow one is collected before anything is garbage, and then not again before it has grown
        atReady: 'grow 3000\n',
      });
      expect(alive).toBe(true);
      guarded.child.stdin?.write('echo on\n');
      await until(() => guarded.text.out.includes('did echo on'), 'it works on');
    },
  );

  for (const [serves, outcome, verdict, args] of [
    // on a slow machine Go takes longer to give its pages back than is waited for
    ['pprof', 'collected', ['freed', 'not_returned'], ['pprof']],
    ['no pprof', 'refused', ['refused'], ['plain']],
  ] as const)
    itWhere(`in Go that serves ${serves} is ${outcome}`, GO ? undefined : 'no Go compiler', async () => {
      const compiled = compileGo(GO ?? '');
      onTestFinished(compiled.remove);
      const { guarded, lastGc, alive } = await collectedFrom([compiled.program, ...args], {
        runtime: 'go',
        verdict: [...verdict],
        // its agent takes 330 MiB on the way up
        flags: ['--limit', '420Mi', '--warn-ratio', '0.5'],
      });
      if (outcome === 'refused') expect(lastGc.hint).toContain('net/http/pprof');
      else expect(lastGc.freedHeapBytes).toBeGreaterThan(200 * MIB);
      expect(alive).toBe(true);
      guarded.child.stdin?.write('echo on\n');
      await until(() => guarded.text.out.includes('did echo on'), 'it works on');
    });

  itWhere('that is a shell is refused, and left alone', undefined, async () => {
    const script =
      'a=$(head -c 40000000 /dev/zero | tr "\\0" x); echo ready; while :; do sleep 0.2; echo on; done';
    const { guarded, lastGc, alive } = await collectedFrom(['sh', '-c', script], {
      runtime: 'other',
      verdict: ['refused'],
      flags: ['--limit', '128Mi', '--warn-ratio', '0.2', '--recover-margin', '0.02'],
    });
    expect(lastGc.note).toContain('no supported runtime');
    expect(alive).toBe(true);
    const before = guarded.text.out.length;
    await until(() => guarded.text.out.length > before, 'it works on');
  });

  itWhere('that is a static binary is refused, and left alone', lacksStatic(), async () => {
    const program = join(folder(), 'static-agent');
    execFileSync('cc', ['-static', '-O1', '-o', program, source(C_AGENT)], { stdio: 'pipe' });
    const { guarded, alive } = await collectedFrom([program], {
      runtime: 'other',
      verdict: ['refused'],
    });
    expect(alive).toBe(true);
    const before = guarded.text.out.length;
    await until(() => guarded.text.out.length > before, 'it works on');
  });
});

/** Holds 210 MiB and says so, over and over. */
const C_AGENT = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void) {
  size_t bytes = 210u << 20;
  char *held = malloc(bytes);
  memset(held, 1, bytes);
  for (;;) { printf("ready %d\\n", held[bytes / 2]); fflush(stdout); usleep(100000); }
}
`;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'spillway-static-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function source(text: string): string {
  const path = join(folder(), 'agent.c');
  writeFileSync(path, text);
  return path;
}

function lacksStatic(): string | undefined {
  const cc = spawnSync('cc', ['-static', '-x', 'c', '-o', '/dev/null', '-'], {
    input: 'int main(void){return 0;}',
  });
  return cc.status === 0 ? undefined : 'no C compiler that links statically';
}
