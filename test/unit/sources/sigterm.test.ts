import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { handlesSigterm, sigtermTarget } from '../../../src/sources/sigterm.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';
import { type FakeProcess, procFiles } from '../../support/fake-proc.ts';
import { type Started, start } from '../../support/started.ts';

let started: Started | undefined;
let fake: FakeTree | undefined;
afterEach(() => {
  started?.kill();
  fake?.remove();
});

/** Who gets SIGTERM of an agent whose own process is 10. */
function targetOf(workerPid: number, processes: FakeProcess[]): number | null {
  fake = fakeTree(procFiles(processes));
  return sigtermTarget(`${fake.root}/proc`, 10, workerPid);
}

const NODE = { args: ['node', 'server.js'] };
const TINI = { pid: 10, ppid: 1, args: ['/usr/bin/tini', '--', 'node', 'server.js'] };

describe('sigtermTarget', () => {
  it.each<[string, number | null, number, FakeProcess[]]>([
    ['the program itself', 10, 10, [{ pid: 10, ...NODE }]],
    [
      'the first of a cluster, not its largest worker',
      10,
      12,
      [
        { pid: 10, ...NODE },
        { pid: 11, ppid: 10 },
        { pid: 12, ppid: 10 },
      ],
    ],
    ['the program below tini', 11, 11, [TINI, { pid: 11, ppid: 10, ...NODE }]],
    [
      'the program below dumb-init',
      11,
      11,
      [
        { pid: 10, args: ['dumb-init', 'node', 'x'] },
        { pid: 11, ppid: 10, ...NODE },
      ],
    ],
    [
      'the program below tini beside an orphan that it collects',
      11,
      11,
      [TINI, { pid: 11, ppid: 10, ...NODE }, { pid: 30, ppid: 10 }],
    ],
    [
      'nobody where such an orphan holds most',
      null,
      30,
      [TINI, { pid: 11, ppid: 10, ...NODE }, { pid: 30, ppid: 10 }],
    ],
    [
      'gunicorn below a shell, not its worker',
      11,
      12,
      [
        { pid: 10, args: ['/bin/sh', '-c', 'migrate; gunicorn app'] },
        { pid: 11, ppid: 10, args: ['/usr/bin/python3', '/usr/bin/gunicorn', 'app'] },
        { pid: 12, ppid: 11, args: ['/usr/bin/python3', '/usr/bin/gunicorn', 'app'] },
      ],
    ],
    [
      'the program below tini, npm and its shell',
      13,
      13,
      [
        TINI,
        { pid: 11, ppid: 10, args: ['npm start'] },
        { pid: 12, ppid: 11, args: ['sh', '-c', 'node server.js'] },
        { pid: 13, ppid: 12, ...NODE },
      ],
    ],
    [
      'the program below yarn',
      12,
      12,
      [
        { pid: 10, args: ['node', '/usr/share/yarn/bin/yarn.js', 'start'] },
        { pid: 12, ppid: 10, ...NODE },
      ],
    ],
    [
      'nobody below a shell that has started two',
      null,
      12,
      [
        { pid: 10, args: ['bash', 'start.sh'] },
        { pid: 11, ppid: 10, args: ['redis-server'] },
        { pid: 12, ppid: 10, ...NODE },
      ],
    ],
    [
      'that one of several programs of pm2 which holds most',
      12,
      12,
      [
        { pid: 10, args: ['node', '/usr/local/bin/pm2-runtime', 'start', 'ecosystem.config.js'] },
        { pid: 11, ppid: 10, ...NODE },
        { pid: 12, ppid: 10, ...NODE },
      ],
    ],
    ['nobody below an init whose program has ended', null, 12, [TINI]],
    [
      'not what a supervisor would not start again',
      10,
      11,
      [
        { pid: 10, args: ['supervisord', '-n'] },
        { pid: 11, ppid: 10, ...NODE },
      ],
    ],
  ])('is %s', (_, target, worker, processes) => {
    expect(targetOf(worker, processes)).toBe(target);
  });
});

/** A Go program that is here anyway: the compiler in esbuild's package for this platform. */
const require = createRequire(import.meta.url);
const esbuild = join(
  dirname(
    createRequire(require.resolve('esbuild')).resolve(
      `@esbuild/${process.platform}-${process.arch}/package.json`,
    ),
  ),
  'bin/esbuild',
);
const python = (setup: string) =>
  ['-c', `import signal, sys, time\n${setup}\nprint(1, flush=True)\ntime.sleep(60)`] as const;

describe('handlesSigterm', () => {
  it.each([
    ['false', 'python3', python('')],
    ['true', 'python3', python('signal.signal(signal.SIGTERM, lambda *_: sys.exit())')],
    ['null', process.execPath, ['-e', 'console.log(1); setTimeout(() => {}, 60000)']],
    ['false', 'sh', ['-c', 'trap "exit 0" TERM; echo; sleep 60; :']],
  ] as const)('is %s of %s %j', async (handles, command, args) => {
    started = await start(command, [...args], { awaitOutput: true });
    expect(String(handlesSigterm('/proc', started.pid))).toBe(handles);
  });

  it('is false of Go, whose runtime catches each signal and dies of it', async () => {
    started = await start(esbuild, ['--serve=127.0.0.1:0', '--log-level=silent'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    expect(handlesSigterm('/proc', started.pid)).toBe(false);
  });
});
