import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { countInFlight } from '../../../src/sources/work-in-flight.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';
import { type Started, start, until } from '../../support/started.ts';

let started: Started[] = [];
let sockets: Socket[] = [];
let tree: FakeTree | undefined;
afterEach(() => {
  for (const each of started) each.kill();
  for (const each of sockets) each.destroy();
  tree?.remove();
  started = [];
  sockets = [];
});

/** A server in a process of its own; prints its port. `more` runs once it listens. */
async function startServer(host: string, more = ''): Promise<{ pid: number; port: number }> {
  const program = `const server = require('net').createServer((socket) => { socket.on('error', () => {}); socket.resume(); });
    server.listen(0, '${host}', () => { const { port } = server.address(); ${more}; console.log(port); });`;
  const server = await start(process.execPath, ['-e', program], { awaitOutput: true });
  started.push(server);
  return { pid: server.pid, port: Number(server.output()) };
}
async function open(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect(port, host);
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

describe('countInFlight', () => {
  it.each([
    ['of version 4', '127.0.0.1', '127.0.0.1'],
    ['of version 6', '::1', '::1'],
    ['of version 4 to a socket of version 6', '::', '127.0.0.1'],
  ])('counts connections %s while they are open', async (_, host, to) => {
    const { pid, port } = await startServer(host);
    expect(await countInFlight('/proc', [pid])).toBe(0);
    await open(port, to);
    const second = await open(port, to);
    expect(await countInFlight('/proc', [pid])).toBe(2);
    second.destroy();
    await until(async () => (await countInFlight('/proc', [pid])) === 1);
  });

  it('counts neither what the agent has opened itself nor what is open to others', async () => {
    const other = await startServer('127.0.0.1');
    const { pid } = await startServer('127.0.0.1', `require('net').connect(${other.port})`);
    await until(async () => (await countInFlight('/proc', [other.pid])) === 1);
    expect(await countInFlight('/proc', [pid])).toBe(0);
  });

  it("leaves out ports that are named, as the inspector's", async () => {
    const { pid, port } = await startServer('127.0.0.1');
    await open(port);
    expect(await countInFlight('/proc', [pid], [port])).toBe(0);
    expect(await countInFlight('/proc', [pid], [port + 1])).toBe(1);
  });

  it("leaves out connections between the agent's own processes", async () => {
    const { pid, port } = await startServer('127.0.0.1');
    const client = await start(
      process.execPath,
      ['-e', `require('net').connect(${port}, () => console.log('up'))`],
      { awaitOutput: true },
    );
    started.push(client);
    expect(await countInFlight('/proc', [pid])).toBe(1);
    expect(await countInFlight('/proc', [pid, client.pid])).toBe(0);
  });

  it('counts connections that wait while the agent is busy', async () => {
    const block = `setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000), 50)`;
    const { pid, port } = await startServer('127.0.0.1', block);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await open(port);
    expect(await countInFlight('/proc', [pid])).toBe(1);
  });

  it('counts what a child of the agent serves', async () => {
    const [parent, child] = [await startServer('127.0.0.1'), await startServer('127.0.0.1')];
    await open(child.port);
    expect(await countInFlight('/proc', [parent.pid, child.pid])).toBe(1);
  });

  it('does not know of a process that is gone, nor of none', async () => {
    expect(await countInFlight('/proc', [2 ** 22 + 1])).toBeNull();
    expect(await countInFlight('/proc', [])).toBeNull();
  });

  it('does not know where the open files may not be seen', async () => {
    tree = fakeTree({ 'proc/7/net/tcp': 'head\n' });
    expect(await countInFlight(`${tree.root}/proc`, [7])).toBeNull();
    tree.write({ 'proc/7/fd/README': '' });
    expect(await countInFlight(`${tree.root}/proc`, [7])).toBe(0);
  });

  it('leaves no file open', async () => {
    await countInFlight('/proc', [process.pid]);
    const open = readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)];
      } catch {
        return []; // closed meanwhile
      }
    });
    expect(
      open.filter((path) => /^\/proc\/\d+\/(net|fd)/.test(path) && path !== `/proc/${process.pid}/fd`),
    ).toEqual([]);
  });
});
