import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { HOOK_FILES } from '../../../src/core/model/hook-files.ts';
import { prepareHook } from '../../../src/wrap/hook-environment.ts';
import { goldenLines } from '../../support/golden.ts';
import { hookOf, listening, REGISTER, startHooked, temporary } from '../../support/hooked.ts';
import { NODES } from '../../support/node-matrix.ts';
import { until } from '../../support/started.ts';

const said = goldenLines('hook');
const WAITS = `setInterval(() => {}, 1000); console.log('runs');`;

it('is one small file', () => {
  expect(statSync(REGISTER).size).toBeLessThanOrEqual(40 * 1024);
});

it.each(NODES)('$version: is not noticed by a process that is not the agent', ({ bin }) => {
  const look = `console.log(JSON.stringify([process.eventNames(), process._getActiveHandles().length, Object.keys(globalThis).includes('spillway')])); process.exitCode = 7;`;
  const printed = (args: string[]) => {
    try {
      return execFileSync(bin, [...args, '-e', look], { encoding: 'utf8', env: {} });
    } catch (error) {
      const { status, stdout } = error as { status: number; stdout: string };
      return `${status} ${stdout}`;
    }
  };
  expect(printed(['--require', REGISTER])).toBe(printed([]));
});

it('connects programs of ES modules, forked ones, and the workers of a cluster', async () => {
  const hooks = await listening(temporary());
  const agent = await startHooked(
    hooks.directory ?? '',
    `import cluster from 'node:cluster'; import { createServer } from 'node:http'; import { get } from 'node:http';
    if (cluster.isPrimary) { cluster.fork(); cluster.fork(); setInterval(() => {}, 1000); console.log('runs'); }
    else createServer((_, response) => response.end()).listen(0, function () {
      const { port } = this.address();
      setInterval(() => get({ port, agent: false }, (answer) => answer.resume()), 200);
    });`,
    { module: true },
  );
  hooks.follow({ main: [agent.pid], pids: [agent.pid] });
  await until(() => hooks.all().length === 3);
});

it('keeps NODE_OPTIONS of the user, with quotes, and is loaded from a path with blanks and quotes', async () => {
  const hooks = await listening(temporary());
  const place = temporary();
  chmodSync(place, 0o755);
  const odd = join(place, `a "b" c\\d`);
  mkdirSync(odd);
  copyFileSync(REGISTER, join(odd, HOOK_FILES.register));
  const agent = await startHooked(hooks.directory ?? '', `${WAITS} console.log(process.title)`, {
    register: join(odd, HOOK_FILES.register),
    env: { NODE_OPTIONS: '"--title=an agent" --no-deprecation' },
  });
  await hookOf(hooks, agent.pid);
  await until(() => agent.output().includes('an agent'));
});

/** Wraps what tracers wrap, as they do it, and prints what they would make of it. */
const TRACED = `
  const { prototype } = require('node:net').Socket, fs = require('node:fs'), Module = require('node:module');
  const wrap = (object, name, see, marks) => {
    const original = object[name];
    object[name] = function (...args) { see(...args); return original.apply(this, args); };
    if (marks) Object.defineProperty(object[name], '__original', { value: original });
  };
  const traced = (what) => (first) => console.log('traced', what, String(first));
  wrap(prototype, 'connect', (first) => { // dd-trace
    const options = Array.isArray(first) ? first[0] : first;
    if (options) traced('connect')(options.path);
  });
  wrap(prototype, 'connect', traced('connect'), true); // OpenTelemetry
  for (const name of ['statSync', 'accessSync', 'readFileSync']) wrap(fs, name, (file) => /hook.sock$|.agent$|self.stat$/.test(file) && traced(name)(file), true);
  const asked = (name) => /net|inspector/.test(name) && traced('require')(name);
  wrap(Module.prototype, 'require', asked);
  if (process.getBuiltinModule) wrap(process, 'getBuiltinModule', asked);
`;

it.each(NODES)('$version: what it does is no part of what tracers see', async ({ bin }) => {
  const hooks = await listening(temporary());
  const tracer = join(temporary(), 'tracer.cjs');
  writeFileSync(tracer, TRACED);
  const agent = await startHooked(hooks.directory ?? '', WAITS, { bin, flags: ['--require', tracer] });
  const hook = await hookOf(hooks, agent.pid);
  await hook.inspect().send('HeapProfiler.enable');
  expect(agent.output()).not.toContain('traced');
});

it.each([
  '--require ./own.cjs',
  '--require=./own.cjs',
])('leaves %s the last of its kind: Next.js up to 15 gives its servers one only', (own) => {
  const place = prepareHook(REGISTER, { env: { NODE_OPTIONS: own }, command: [] });
  if (typeof place === 'string') throw new Error(place);
  onTestFinished(place.remove);
  expect(place.environment['NODE_OPTIONS']).toBe(`--require=${REGISTER} ${own}`);
});

it.each([
  '--permission',
  '"--experimental-permission"',
  '--experimental_permission',
  '--experimental-policy=policy.json',
])('stays out under %s', (flag) => {
  for (const given of [
    { env: { NODE_OPTIONS: flag }, command: [] },
    { env: {}, command: ['node', flag.replaceAll('"', '')] },
  ]) {
    const why = prepareHook(REGISTER, given);
    if (typeof why !== 'string') expect.unreachable('it is prepared');
    said('a permission model', why);
  }
});

it.skipIf(process.getuid?.() !== 0)(
  'starts, as root, what goes on as a user who cannot read where the hook lies',
  async () => {
    const register = join(temporary(), HOOK_FILES.register); // in a directory that only root enters
    copyFileSync(REGISTER, register);
    const place = prepareHook(register, { env: {}, command: [] });
    if (typeof place === 'string') throw new Error(place);
    onTestFinished(place.remove);
    const hooks = await listening(place.directory);
    const started = (command: string[]) =>
      execFileSync('setpriv', [...command, process.execPath, '-p', '6 * 7'], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], ...place.environment },
      });
    expect(started(['--reuid=65534', '--regid=65534', '--clear-groups'])).toBe('42\n');
    const agent = await startHooked(place.directory, WAITS, { register });
    await hookOf(hooks, agent.pid);
  },
);

it.skipIf(process.getuid?.() !== 0)(
  'never writes through a link that lies in a directory given to it',
  () => {
    const register = join(temporary(), HOOK_FILES.register);
    copyFileSync(REGISTER, register);
    const given = mkdtempSync(join(tmpdir(), 'spillway-given-'));
    onTestFinished(() => rmSync(given, { recursive: true }));
    chmodSync(given, 0o755);
    const victim = join(temporary(), 'victim');
    writeFileSync(victim, 'its own');
    symlinkSync(victim, join(given, HOOK_FILES.register));
    expect(prepareHook(register, { env: {}, command: [], given })).toMatchObject({ directory: given });
    expect(readFileSync(victim, 'utf8')).toBe('its own');
    expect(readFileSync(join(given, HOOK_FILES.register))).toEqual(readFileSync(REGISTER));
  },
);

it.skipIf(process.getuid?.() !== 0)('goes without the hook where no other user could read its file', () => {
  const register = join(temporary(), HOOK_FILES.register);
  copyFileSync(REGISTER, register);
  const given = join(temporary(), 'hook');
  const why = prepareHook(register, { env: {}, command: [], given });
  if (typeof why !== 'string') expect.unreachable('it is prepared');
  said('no other user reads it', why, { GIVEN: given });
});

it('removes the directories of guardians that were killed, and no other', () => {
  const place = temporary();
  const env = { TMPDIR: place, XDG_RUNTIME_DIR: place };
  const kept = prepareHook(REGISTER, { env, command: [] });
  if (typeof kept === 'string') throw new Error(kept);
  const [, ours = ''] = /(-\w+-\w{6})$/.exec(kept.directory) ?? [];
  const dead = join(place, `spillway-4194305-1${ours}`);
  const elsewhere = join(place, 'spillway-4194305-1-1-abcdef');
  for (const directory of [dead, elsewhere, join(place, 'others')]) mkdirSync(directory);
  const next = prepareHook(REGISTER, { env, command: [] });
  expect(typeof next).toBe('object');
  expect(existsSync(dead)).toBe(false);
  for (const directory of [kept.directory, elsewhere, join(place, 'others')])
    expect(existsSync(directory)).toBe(true);
});

it.skipIf(process.getuid?.() !== 0)('leaves what another user has made look like that', () => {
  const place = temporary();
  const env = { TMPDIR: place, XDG_RUNTIME_DIR: place };
  const own = prepareHook(REGISTER, { env, command: [] });
  if (typeof own === 'string') throw new Error(own);
  const strangers = join(
    place,
    own.directory
      .split('/')
      .at(-1)
      ?.replace(/-\d+-\d+-/, '-4194305-1-') ?? '',
  );
  mkdirSync(strangers);
  chownSync(strangers, 12345, 12345);
  expect(typeof prepareHook(REGISTER, { env, command: [] })).toBe('object');
  expect(existsSync(strangers)).toBe(true);
});

it.skipIf(process.getuid?.() !== 0)('needs no list of what else is where its directory is made', () => {
  const place = temporary();
  chmodSync(place, 0o333);
  process.seteuid?.(12345);
  onTestFinished(() => process.seteuid?.(0));
  expect(prepareHook(REGISTER, { env: { XDG_RUNTIME_DIR: place }, command: [] })).toMatchObject({
    directory: expect.stringContaining(place),
  });
});

it('connects again to a guardian that replaces another, also after the socket was removed', async () => {
  const directory = temporary();
  const first = await listening(directory);
  const agent = await startHooked(directory, WAITS);
  await hookOf(first, agent.pid);
  await first.close();
  rmSync(join(directory, HOOK_FILES.socket), { force: true });
  const second = await listening(directory);
  await hookOf(second, agent.pid);
});

/** A guardian that sends the same to everybody, and reads nothing. */
async function strange(directory: string, text: string): Promise<() => number> {
  let connections = 0;
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    connections++;
    socket.on('error', () => {});
    socket.write(text);
  });
  await new Promise<void>((resolve) => server.listen(join(directory, HOOK_FILES.socket), resolve));
  onTestFinished(() => void server.close());
  return () => connections;
}

const SERVES = `
const { createServer, get } = require('node:http');
const server = createServer((_, response) => response.end()).listen(0, () => {
  console.log('runs');
  const { port } = server.address();
  let left = 30;
  const next = () => left-- > 0 ? get({ port, agent: false }, (answer) => answer.resume().on('end', () => setTimeout(next, 50))) : server.close(() => console.log('closed'));
  next();
});`;
const HELLO = '{"type":"hello","version":1,"gate":"auto","exempt":[]}\n';

it.each([
  ['nonsense', 'nonsense\n'],
  ['no greeting first', '{"type":"ask"}\n'],
  ['another version', HELLO.replace('1', '2')],
  ['a line without an end', 'x'.repeat(2 * 1024 * 1024)],
  ['a malformed message', `${HELLO}{"type":"memory"}\n`],
  [
    'a forbidden command',
    `${HELLO}{"type":"cdp-open"}\n{"type":"cdp","message":{"id":1,"method":"Debugger.enable"}}\n`,
  ],
  ['nothing', ''],
  ['a greeting', HELLO],
])(
  'survives a guardian that sends %s',
  async (_name, text) => {
    const directory = temporary();
    const connections = await strange(directory, text);
    const agent = await startHooked(directory, SERVES);
    const exit = new Promise((resolve) => agent.child.once('exit', (code) => resolve(code)));
    expect(await exit).toBe(0);
    expect(agent.output()).toContain('closed');
    expect(connections()).toBeGreaterThan(0);
  },
  60_000,
);

it.each(NODES)("$version: tells what V8's own full collections leave, near the heap's limit alone", async ({
  bin,
}) => {
  const hooks = await listening(temporary());
  const agent = await startHooked(
    hooks.directory ?? '',
    `const server = require('node:http').createServer((request, response) => {
      if (request.url === '/keeps') for (let i = 0; i < 250; i++) kept.push(new Array(1000).fill(0.5 + i));
      let rest = 0; for (let i = 0; i < 500; i++) rest += new Array(1000).fill(0.5 + i).length;
      if (request.url === '/live') global.gc();
      response.end(String(rest));
    });
    const kept = [];
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));`,
    { bin, flags: ['--max-old-space-size=64', '--expose-gc'] },
  );
  const port = Number.parseInt(agent.output(), 10);
  const hook = await hookOf(hooks, agent.pid);
  const left: number[] = [];
  const asks = async (path: string, times: number) => {
    for (let i = 0; i < times; i++) {
      await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
      const { heap } = (await hook.ask(2000)) ?? {};
      if (heap?.left) left.push(heap.left.bytes / heap.limitBytes);
    }
  };
  await asks('/', 30);
  expect(left).toEqual([]);
  await asks('/keeps', 22); // 2 MB each
  await asks('/', 60);
  expect(left.length).toBeGreaterThan(1);
  const last = left.at(-1);
  await (await fetch(`http://127.0.0.1:${port}/live`)).text();
  const { usedBytes = 0, limitBytes = 1 } = (await hook.ask(2000)).heap;
  const live = usedBytes / limitBytes;
  expect(last).toBeGreaterThan(live - 0.1);
  expect(last).toBeLessThan(live + 0.1);
});
