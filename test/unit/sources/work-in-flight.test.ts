import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { countInFlight as countConnections } from '../../../src/sources/work-in-flight.ts';
import { type FakeTree, fakeTree } from '../../support/fake-cgroup.ts';
import { type Started, start, until } from '../../support/started.ts';

const countInFlight = async (...args: Parameters<typeof countConnections>) =>
  (await countConnections(...args)).total;

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
async function startProgram(program: string): Promise<Started> {
  const each = await start(process.execPath, ['-e', program], { awaitOutput: true });
  started.push(each);
  return each;
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

  it('does not know what an agent has in work that listens nowhere, as the worker of a queue', async () => {
    const queue = await startServer('127.0.0.1');
    const worker = `require('net').connect(${queue.port}, '127.0.0.1', () => console.log('up'))`;
    const { pid } = await startProgram(worker);
    expect(await countInFlight('/proc', [queue.pid])).toBe(1);
    expect(await countInFlight('/proc', [pid])).toBeNull();
    expect(await countInFlight('/proc', [queue.pid], [queue.port])).toBeNull(); // a debugger's port is none of its own
  });

  it('does not know what is in work while somebody is connected to a Unix socket of the agent', async () => {
    tree = fakeTree();
    const path = `${tree.root}/agent.sock`;
    const only = await startProgram(
      `require('net').createServer().listen('${path}', () => console.log('up'))`,
    );
    expect(await countInFlight('/proc', [only.pid])).toBeNull();
    const both = `${tree.root}/both.sock`;
    const { pid, port } = await startServer('127.0.0.1', `require('net').createServer().listen('${both}')`);
    await until(async () => existsSync(both));
    expect(await countInFlight('/proc', [pid])).toBe(0);
    const client = connect(both);
    sockets.push(client);
    await once(client, 'connect');
    expect(await countInFlight('/proc', [pid])).toBeNull();
    await open(port);
    expect(await countInFlight('/proc', [pid])).toBe(1);
  });

  it("leaves out ports that are named, as the inspector's", async () => {
    const { pid, port } = await startServer('127.0.0.1', `require('net').createServer().listen(0)`);
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
    await open(parent.port);
    await open(parent.port);
    const both = [parent.pid, child.pid];
    expect(await countInFlight('/proc', both)).toBe(3);
    // counted with its listener until the agent has accepted it
    const accepted = async () => [...(await countConnections('/proc', both)).accepted].sort();
    const expected = [
      [parent.pid, 2],
      [child.pid, 1],
    ].sort();
    await until(async () => isDeepStrictEqual(await accepted(), expected));
    expect(await countInFlight('/proc', both)).toBe(3);
  });

  it('reads tables of a busy node row by row, and none without end', async () => {
    const row = (i: number, local: number, state: string, inode: number) =>
      `${String(i).padStart(4)}: 0100007F:${hex(local)} 0100007F:${hex(1024 + i)} ${state} 00000000:00000000 02:000000A8 00000000  1000        0 ${inode} 2 0000000000000000 20 4 0 10 -1`.padEnd(
        149,
      );
    const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, '0');
    const head =
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
    const rows = Array.from({ length: 30_000 }, (_, i) => row(i, i < 7 ? 80 : 443, '01', i < 7 ? 0 : 9));
    const table = [head.padEnd(149), row(0, 80, '0A', 5), ...rows, ''].join('\n');
    tree = fakeTree({ 'proc/7/net/tcp': table });
    mkdirSync(`${tree.root}/proc/7/fd`);
    symlinkSync('socket:[5]', `${tree.root}/proc/7/fd/3`);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const count = await countConnections(`${tree.root}/proc`, [7]);
    expect(count).toMatchObject({ total: 7 });
    clearInterval(timer);
    expect(count.costMs).toBeGreaterThan(0);
    expect(turns).toBeGreaterThan(5); // sampling goes on meanwhile
    tree.write({ 'proc/7/net/tcp': table + rows.concat(rows).join('\n') });
    expect(await countInFlight(`${tree.root}/proc`, [7])).toBeNull();
  });

  it('does not know of a process that is gone, nor of none', async () => {
    expect(await countInFlight('/proc', [2 ** 22 + 1])).toBeNull();
    expect(await countInFlight('/proc', [])).toBeNull();
  });

  it('does not know where the open files may not be seen', async () => {
    const listens =
      '   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1\n';
    tree = fakeTree({ 'proc/7/net/tcp': `head\n${listens}` });
    expect(await countInFlight(`${tree.root}/proc`, [7])).toBeNull();
    mkdirSync(`${tree.root}/proc/7/fd`);
    symlinkSync('socket:[5]', `${tree.root}/proc/7/fd/3`);
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
