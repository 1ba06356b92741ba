import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { inspectFlags } from '../../../src/sources/inspector/flags.ts';
import { signalObstacle } from '../../../src/sources/inspector/signal-safety.ts';
import { createInspectorTarget } from '../../../src/sources/inspector/target.ts';
import { askTargetList } from '../../../src/sources/inspector/target-list.ts';
import { readChildren, readStat } from '../../../src/sources/proc-fs.ts';
import { agentFile, lives, startNode } from '../../support/node-matrix.ts';
import { startUnderSignal } from '../../support/node-startup.ts';
import { start, until } from '../../support/started.ts';

const node = process.execPath;

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
    expect(await askTargetList('127.0.0.1', port, 500)).toEqual({ kind: 'other' });
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
    expect(target.listens(found)).toBe(true);
    await until(() => target.clients(found).own.length + target.clients(found).others === 0);
    agent.kill();
    await until(() => agent.child.signalCode !== null);
    expect(target.alive()).toBe(false);
    expect(await target.find(1000)).toBeUndefined();
    expect(target.listens(found)).toBe(false);
    expect(target.innerPid()).toBeUndefined();
  });

  it('is not misled by the servers of the program, nor by another process', async () => {
    const inspected = await startNode(node, ['--inspect=0', agentFile('cjs')], { settle: false });
    const agent = await startNode(node, [agentFile('cjs'), 'http'], { settle: false });
    expect(await createInspectorTarget({ procRoot: '/proc', pid: agent.pid }).find(1000)).toBeUndefined();
    expect(await createInspectorTarget({ procRoot: '/proc', pid: inspected.pid }).find(1000)).toBeDefined();
  });

  it('refuses a process in another network', async ({ skip }) => {
    const alone = await start('unshare', ['-n', node, '--inspect=0', agentFile('cjs')]).catch(() =>
      skip('no unshare'),
    );
    onTestFinished(alone.kill);
    await until(() => alone.output() !== '' || alone.child.exitCode !== null);
    if (alone.output() === '') skip('no right to make a network namespace');
    const target = createInspectorTarget({ procRoot: '/proc', pid: alone.pid });
    await expect(target.find(500)).rejects.toThrow('another network namespace');
    expect(target.signalObstacle()?.mend).toContain('same pod');
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
    expect(obstacleOf(agent.pid)).toMatchObject({
      passing: true,
      message: expect.stringContaining('started'),
    });
    await until(() => obstacleOf(agent.pid) === undefined);
    expect(signalObstacle('/proc', agent.pid, 1)?.message).toContain('ended');
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
    expect(obstacleOf(shell.pid)?.message).toContain('not Node');
  });
});

/** The robust tier tries five hundred. */
it('kills no Node at its start, tried from the first instant on', async () => {
  expect(await startUnderSignal(40)).toEqual({ died: 0, signalled: 40 });
}, 60_000);
