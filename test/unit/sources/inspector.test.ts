import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeError } from '../../../src/core/lib/errors.ts';
import { inspectFlags, signalFlag } from '../../../src/sources/inspector/flags.ts';
import {
  optionFileObstacle,
  optionFiles,
  signalFlagIn,
} from '../../../src/sources/inspector/option-files.ts';
import { signalObstacle } from '../../../src/sources/inspector/signal-safety.ts';
import { createInspectorTarget } from '../../../src/sources/inspector/target.ts';
import { askTargetList } from '../../../src/sources/inspector/target-list.ts';
import { readChildren, readStat } from '../../../src/sources/proc-fs.ts';
import { goldenLines } from '../../support/golden.ts';
import { agentFile, lives, startNode } from '../../support/node-matrix.ts';
import { startUnderSignal } from '../../support/node-startup.ts';
import { start, until } from '../../support/started.ts';

const node = process.execPath;
const said = goldenLines('inspector');

async function obstacleTo(pid: number) {
  const target = createInspectorTarget({ procRoot: '/proc', pid });
  return target.signalObstacle(await target.listening());
}

describe('flags of the inspector', () => {
  it.each<[string, string, Partial<ReturnType<typeof inspectFlags>>]>([
    ['node app.js', '', { host: '127.0.0.1', port: 9229, atStart: false }],
    ['node --inspect app.js', '', { port: 9229, atStart: true }],
    ['node --inspect=9300 app.js', '', { port: 9300, atStart: true }],
    ['node --inspect=0.0.0.0 app.js', '', { host: '0.0.0.0', port: 9229 }],
    ['node --inspect=0.0.0.0:0 app.js', '', { host: '0.0.0.0', port: 0 }],
    ['node --inspect-brk=[::1]:9301 app.js', '', { host: '::1', port: 9301, atStart: true }],
    ['node --inspect-wait=localhost:9301 app.js', '', { host: 'localhost', port: 9301, atStart: true }],
    ['node --inspect-port=9302 app.js', '', { port: 9302, atStart: false }],
    ['node --inspect-port 9303 app.js', '', { port: 9303, atStart: false }],
    ['node -r ./hook.js --inspect app.js', '', { atStart: true }],
    ['node app.js --inspect=9304', '', { port: 9229, atStart: false }],
    ['node app.js', '--max-old-space-size=100 --inspect=9305', { port: 9305, atStart: true }],
    ['node --inspect-port=9307 app.js', '--require "a b.js" --inspect=9306', { port: 9307, atStart: true }],
    ['node --inspect-publish-uid=http app.js', '', { port: 9229, atStart: false }],
  ])('%s, NODE_OPTIONS %j', (line, nodeOptions, expected) => {
    expect(inspectFlags(line.split(' '), nodeOptions)).toMatchObject(expected);
  });
});

describe('flags that give signals another meaning', () => {
  it.each([
    'node --heapsnapshot-signal=SIGUSR1 app.js',
    'node --heapsnapshot_signal=SIGUSR2 app.js',
    'node --report-on-signal app.js',
    'node --report-signal=SIGUSR1 app.js',
    'node --disable-sigusr1 app.js',
    'node --permission app.js',
    'sh -c "node --heapsnapshot-signal SIGUSR1 app.js"',
    'cross-env NODE_OPTIONS=--report-on-signal node app.js',
    "sh -c NODE_OPTIONS='--disable-sigusr1' node app.js",
  ])('are seen in %s', (line) => {
    const words = /^sh -c "(.*)"$/.exec(line);
    expect(signalFlag(words ? ['sh', '-c', words[1] ?? ''] : line.split(' '))).toMatch(/^--/);
  });

  it.each([
    'node app.js',
    'node --inspect --report-uncaught-exception --heapsnapshot-near-heap-limit=1 app.js',
    'claude --permission-mode plan',
  ])('are none in %s', (line) => {
    expect(signalFlag(line.split(' '))).toBe(undefined);
  });
});

describe('files of options', () => {
  const environment = (path: string, optional = false) => ({ path, optional, kind: 'environment' as const });
  const configuration = (path: string, optional = false) => ({
    path,
    optional,
    kind: 'configuration' as const,
  });
  it.each<[string, ReturnType<typeof optionFiles>]>([
    ['node app.js -- --env-file=.env', []],
    ['node app.js --env-file=.env', [environment('.env')]],
    [
      'node --env-file=.env --env-file-if-exists .local app.js',
      [environment('.env'), environment('.local', true)],
    ],
    ['node --experimental-config-file=/etc/node.json app.js', [configuration('/etc/node.json')]],
    ['node --experimental-default-config-file app.js', [configuration('node.config.json', true)]],
  ])('are found in %s', (line, files) => {
    expect(optionFiles(line.split(' '))).toEqual(files);
  });

  it.each([
    ['environment', 'A=1\nNODE_OPTIONS="--max-old-space-size=100\n --heapsnapshot-signal=SIGUSR1"'],
    ['environment', "  export NODE_OPTIONS='--report-on-signal'"],
    ['environment', 'NODE_OPTIONS=--enable-source-maps\nNODE_OPTIONS = --disable-sigusr1 # no inspector'],
    ['configuration', '{ "nodeOptions": { "heapsnapshot-signal": "SIGUSR1" } }'],
    ['configuration', '{ "nodeOptions": {}, "permission": { "allow-fs-read": ["*"] } }'],
  ] as const)('hold a flag for signals, as %s: %s', (kind, text) => {
    expect(signalFlagIn(text, kind)).toMatch(/^--/);
  });

  it.each([
    ['environment', 'NOTE="--report-on-signal"\nNODE_OPTIONS=--enable-source-maps\nFLAGS=--report-on-signal'],
    ['environment', '# NODE_OPTIONS=--report-on-signal\nACL={"permission":true}'],
    ['environment', ''],
    ['configuration', '{ "nodeOptions": { "permission": false } }'],
    ['configuration', 'null'],
  ] as const)('hold none, as %s: %s', (kind, text) => {
    expect(signalFlagIn(text, kind)).toBeUndefined();
  });

  it('are read in the root of the agent, links included, and whole', () => {
    const root = mkdtempSync(join(tmpdir(), 'option-files-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    const flagged = 'NODE_OPTIONS=--heapsnapshot-signal=SIGUSR1';
    const obstacle = (path: string) => {
      const files = { 'proc/7/cmdline': `node\0--env-file-if-exists=${path}\0app.js\0` };
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(join(root, name, '..'), { recursive: true });
        writeFileSync(join(root, name), text);
      }
      return optionFileObstacle(join(root, 'proc'), 7);
    };
    const agent = join(root, 'proc/7/root');
    mkdirSync(join(agent, 'run/config/..data'), { recursive: true });
    mkdirSync(join(agent, 'var'));
    mkdirSync(join(agent, 'app'));
    symlinkSync('/run', join(agent, 'var/run'));
    symlinkSync('/app', join(root, 'proc/7/cwd'));
    writeFileSync(join(agent, 'run/config/..data/env'), flagged);
    symlinkSync('..data/env', join(agent, 'run/config/env'));
    writeFileSync(join(agent, 'app/plain'), 'A=1');
    symlinkSync('around', join(agent, 'around'));
    execFileSync('mkfifo', [join(agent, 'fifo')]);
    writeFileSync(join(agent, 'large'), Buffer.alloc(1_000_000));
    const refused = (name: string, path: string) => {
      const error = obstacle(path);
      expect(error).toMatchObject({ code: 'refused', retryable: false });
      said(name, describeError(error), { FILE: path });
    };
    refused('a file with a flag for signals', '/var/run/config/env');
    refused('a file with a flag for signals', '../var/run/config/env');
    expect(obstacle('plain')).toBeUndefined();
    expect(obstacle('missing')).toBeUndefined();
    for (const path of ['/around', '/fifo']) refused('a file that cannot be read', path);
    refused('a file too large', '/large');
  });
});

describe('asking for the list of targets', () => {
  const listen = async (server: Server): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  };
  it.each<[string, string]>([
    ['no JSON', 'hello'],
    ['another kind of target', '[{"type":"page","id":"1-2"}]'],
    ['an id that leads elsewhere', '[{"type":"node","id":"../x"}]'],
    ['nothing', ''],
    ['no end of it', 'x'.repeat(1e6)],
  ])('takes no other program for an inspector: %s', async (_, body) => {
    const port = await listen(createServer((_request, response) => response.end(body)));
    expect(await askTargetList('127.0.0.1', port, 1000)).toEqual({ kind: 'other' });
  });
  it('waits for no answer longer than it may', async () => {
    const port = await listen(createTcpServer((socket) => socket.unref().on('error', () => {})));
    const startMs = performance.now();
    expect(await askTargetList('127.0.0.1', port, 150)).toEqual({ kind: 'silent' });
    expect(performance.now() - startMs).toBeLessThan(600);
  });
  it('is told that nobody listens', async () => {
    const server = createTcpServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await askTargetList('127.0.0.1', port, 500)).toEqual({ kind: 'silent' });
  });
});

describe('finding the inspector of a process', () => {
  it.each([
    ['at a free port', '--inspect=0', '127.0.0.1'],
    ['on every address', '--inspect=0.0.0.0:PORT', '0.0.0.0'],
    ['by IPv6', '--inspect=[::1]:0', '::1'],
  ])('%s', async (_, flag, address) => {
    const port = 20_000 + (process.pid % 10_000);
    const agent = await startNode(node, [flag.replace('PORT', String(port)), agentFile('cjs')], {
      settle: false,
    });
    const target = createInspectorTarget({ procRoot: '/proc', pid: agent.pid });
    const found = await target.find(1000);
    expect(found).toMatchObject({ address });
    if (!found) return;
    expect((await target.listening()).map(({ inode }) => inode)).toContain(found.inode);
    await until(async () => {
      const { own, others } = await target.clients(found);
      return own.length + others === 0;
    });
    agent.kill();
    await until(() => agent.child.signalCode !== null);
    expect(target.alive()).toBe(false);
    expect(await target.find(1000)).toBeUndefined();
    expect((await target.listening()).map(({ inode }) => inode)).not.toContain(found.inode);
    expect(target.innerPid()).toBeUndefined();
  });

  it('is not misled by the servers of the program, nor by another process', async () => {
    const inspected = await startNode(node, ['--inspect=0', agentFile('cjs')], { settle: false });
    const agent = await startNode(node, [agentFile('cjs'), 'http'], { settle: false });
    expect(await createInspectorTarget({ procRoot: '/proc', pid: agent.pid }).find(1000)).toBeUndefined();
    expect(await createInspectorTarget({ procRoot: '/proc', pid: inspected.pid }).find(1000)).toMatchObject({
      address: '127.0.0.1',
    });
  });

  it.each([
    'answers',
    'does not answer',
  ])('asks a server that %s once, however often it looks', async (how) => {
    const asked: string[] = [];
    const server = createServer((request, answer) => {
      asked.push(request.url ?? '');
      if (how === 'answers') answer.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    for (let i = 0; i < 3; i++)
      expect(await createInspectorTarget({ procRoot: '/proc', pid: process.pid }).find(200)).toBeUndefined();
    expect(asked).toEqual(['/json/list']);
  });

  it('refuses a process in another network', async ({ skip }) => {
    const alone = await start('unshare', ['-n', node, '--inspect=0', agentFile('cjs')]).catch(() =>
      skip('no unshare'),
    );
    onTestFinished(alone.kill);
    await until(() => alone.output() !== '' || alone.child.exitCode !== null);
    if (alone.output() === '') skip('no right to make a network namespace');
    const target = createInspectorTarget({ procRoot: '/proc', pid: alone.pid });
    const error = await target.find(500).catch((thrown) => thrown);
    for (const obstacle of [error, await obstacleTo(target.pid)]) {
      expect(obstacle).toMatchObject({ code: 'refused' });
      said('another network', describeError(obstacle), { PID: alone.pid });
    }
  });

  it('knows a process by the pid that it has inside', async ({ skip }) => {
    const program = 'console.log(process.pid); setInterval(() => {}, 1000)';
    const outer = await start('unshare', ['-p', '-f', '--kill-child', node, '-e', program]).catch(() =>
      skip('no unshare'),
    );
    onTestFinished(outer.kill);
    await until(() => outer.output() !== '' || outer.child.exitCode !== null);
    if (outer.output() === '') skip('no right to make a process namespace');
    const [inner = 0] = readChildren('/proc', outer.pid, 1) ?? [];
    expect(createInspectorTarget({ procRoot: '/proc', pid: inner }).innerPid()).toBe(Number(outer.output()));
  });
});

describe('whether SIGUSR1 is safe', () => {
  const obstacleOf = (pid: number) => {
    const stat = readStat('/proc', pid);
    return signalObstacle('/proc', pid, stat.kind === 'value' ? stat.value.startTime : -1);
  };

  it('is no sooner than a process is past its start, and then is', async () => {
    const agent = await startNode(node, [agentFile('cjs')], { settle: false });
    const young = obstacleOf(agent.pid);
    expect(young).toMatchObject({ code: 'refused', retryable: true });
    said('just started', describeError(young), { PID: agent.pid });
    await until(() => obstacleOf(agent.pid) === undefined);
    const ended = signalObstacle('/proc', agent.pid, 1);
    expect(ended).toMatchObject({ code: 'refused', retryable: false });
    said('ended', describeError(ended), { PID: agent.pid });
  });

  it('is for a Node whose file was replaced', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'node-copy-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    copyFileSync(node, `${folder}/node`);
    const agent = await startNode(`${folder}/node`, [agentFile('cjs')]);
    rmSync(`${folder}/node`);
    expect(obstacleOf(agent.pid)).toBeUndefined();
  });

  it('is not for a program that only starts Node', async () => {
    const shell = await start('sh', ['-c', `"${node}" -e "setInterval(() => {}, 1000)"; true node`]);
    onTestFinished(shell.kill);
    await until(() => lives(shell.pid));
    const obstacle = obstacleOf(shell.pid);
    expect(obstacle).toMatchObject({ code: 'refused', retryable: false });
    const program = basename(readlinkSync(`/proc/${shell.pid}/exe`));
    said('not Node', describeError(obstacle), { PID: shell.pid, PROGRAM: program });
  });
});

/** The robust tier tries five hundred. */
it('kills no Node at its start, tried from the first instant on', async () => {
  expect(await startUnderSignal(40)).toEqual({ died: 0, signalled: 40 });
}, 60_000);

describe('a program that was told what signals mean', () => {
  it.each<[string, string[], NodeJS.ProcessEnv]>([
    ['by its command line', ['--heapsnapshot-signal=SIGUSR1'], {}],
    ['by NODE_OPTIONS', [], { NODE_OPTIONS: '--report-on-signal "--report-signal=SIGUSR1"' }],
  ])('is sent none: %s', async (how, flags, env) => {
    const agent = await startNode(node, [...flags, '--inspect-port=0', agentFile('cjs')], { env });
    const target = createInspectorTarget({ procRoot: '/proc', pid: agent.pid });
    const obstacle = await obstacleTo(target.pid);
    expect(obstacle).toMatchObject({ code: 'refused', retryable: false });
    said(`a flag ${how}`, describeError(obstacle), { PID: agent.pid });
  });

  it.each([
    ['', 'NODE_OPTIONS=--heapsnapshot-signal=SIGUSR1\n', '--env-file'],
    ['no', 'NODE_OPTIONS=--enable-source-maps\n', '--env-file'],
    ['no', null, '--env-file-if-exists'],
  ])('learns of %s such flag from a file: %j of %s', async (no, text, flag) => {
    const folder = mkdtempSync(join(tmpdir(), 'env-file-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    if (text !== null) writeFileSync(join(folder, 'data'), text);
    if (text !== null) symlinkSync('data', join(folder, '.env')); // as those of a ConfigMap are
    const agent = await startNode(node, [`${flag}=${folder}/.env`, '--inspect-port=0', agentFile('cjs')]);
    const obstacle = await obstacleTo(agent.pid);
    const varying = { PID: agent.pid, FOLDER: folder };
    if (no === '') {
      expect(obstacle).toMatchObject({ code: 'refused', retryable: false });
      said('a flag by a file', describeError(obstacle), varying);
    } else expect(obstacle).toBeUndefined();
    if (text === null) return;
    rmSync(join(folder, '.env'));
    const unread = await obstacleTo(agent.pid);
    expect(unread).toMatchObject({ code: 'refused', retryable: false });
    said('a file that is gone', describeError(unread), varying);
  });

  it('is sent none where its wrapper was told', async () => {
    const wrapper = await start(
      'sh',
      ['-c', `: --report-on-signal; ${node} --inspect-port=0 ${agentFile('cjs')}; :`],
      {
        awaitOutput: true,
      },
    );
    onTestFinished(wrapper.kill);
    const [pid = 0] = readChildren('/proc', wrapper.pid, 1) ?? [];
    onTestFinished(() => void process.kill(pid, 'SIGKILL'));
    await new Promise((resolve) => setTimeout(resolve, 700));
    const target = createInspectorTarget({ procRoot: '/proc', pid });
    const obstacle = await obstacleTo(target.pid);
    expect(obstacle).toMatchObject({ code: 'refused', retryable: false });
    said('a flag of its wrapper', describeError(obstacle), { WRAPPER: wrapper.pid });
  });
});
