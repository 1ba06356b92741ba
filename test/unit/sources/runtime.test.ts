import { symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { runtimeOf, runtimeOfTree } from '../../../src/sources/runtime.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';
import { procFiles } from '../../support/fake-proc.ts';
import { type Started, start } from '../../support/started.ts';

let started: Started | undefined;
let fake: FakeTree | undefined;
afterEach(() => {
  started?.kill();
  fake?.remove();
});

/** A Go program that is here anyway: the compiler in esbuild's package for this platform. */
const require = createRequire(import.meta.url);
const esbuildFolder = dirname(
  createRequire(require.resolve('esbuild')).resolve(
    `@esbuild/${process.platform}-${process.arch}/package.json`,
  ),
);

describe('runtimeOf real processes', () => {
  it.each([
    ['node', process.execPath, ['-e', 'console.log(1); setTimeout(() => {}, 60000)']],
    ['python', 'python3', ['-c', 'import time; print(1, flush=True); time.sleep(60)']],
    ['other', 'sh', ['-c', 'echo; sleep 60; :']],
  ])('is %s', async (runtime, command, args) => {
    started = await start(command, args, { awaitOutput: true });
    expect(runtimeOf('/proc', started.pid)).toBe(runtime);
  });

  it('is go, by the sections of the executable', async () => {
    started = await start(join(esbuildFolder, 'bin/esbuild'), ['--serve=127.0.0.1:0', '--log-level=silent'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    expect(runtimeOf('/proc', started.pid)).toBe('go');
  });
});

describe('runtimeOf a process whose executable may not be seen', () => {
  const runtimeFrom = (args: string[], exe?: string) => {
    fake = fakeTree(procFiles([{ pid: 1, args }]));
    if (exe) symlinkSync(exe, `${fake.root}/proc/1/exe`);
    const runtime = runtimeOf(`${fake.root}/proc`, 1);
    fake.remove();
    return runtime;
  };

  it.each([
    ['node', ['/usr/local/bin/node', 'agent.js']],
    ['node', ['nodejs']],
    ['python', ['python3.12', '-m', 'agent']],
    ['python', ['/opt/pypy3.10/bin/pypy3.10']],
    ['jvm', ['/usr/lib/jvm/bin/java', '-jar', 'a.jar']],
    ['other', ['/agent']],
    ['other', []],
  ] as const)('is %s for %j', (runtime, args) => {
    expect(runtimeFrom([...args])).toBe(runtime);
  });

  it('goes by the executable first, also when its file was replaced', () => {
    expect(runtimeFrom(['agent'], '/usr/bin/node (deleted)')).toBe('node');
    expect(runtimeFrom(['agent'], '/etc/passwd')).toBe('other');
    expect(runtimeFrom(['agent'], '/dev/null')).toBe('other');
  });
});

describe('runtimeOfTree', () => {
  const runtimeFrom = (rootArgs: string[]) => {
    fake = fakeTree(
      procFiles([
        { pid: 1, args: rootArgs },
        { pid: 2, ppid: 1, args: ['python3', 'agent.py'] },
      ]),
    );
    return runtimeOfTree(`${fake.root}/proc`, 1, 2);
  };

  it.each([
    ['python', ['/bin/sh', '-c', 'python3 agent.py']],
    ['python', ['npm start']],
    ['python', ['node', '/usr/lib/node_modules/npm/bin/npm-cli.js', 'start']],
    ['python', ['node', '/usr/bin/npx', 'x']],
    ['python', ['/sbin/tini', '--', 'python3', 'agent.py']],
    ['node', ['node', 'agent.js']],
    ['other', ['/agent']],
  ])('is %s below %j', (runtime, rootArgs) => {
    expect(runtimeFrom(rootArgs)).toBe(runtime);
  });
});
