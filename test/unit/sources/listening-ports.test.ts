import { once } from 'node:events';
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { listeningSockets } from '../../../src/sources/listening-ports.ts';
import { type Started, start } from '../../support/started.ts';

const servers: Server[] = [];
let started: Started | undefined;
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  started?.kill();
});

async function listen(options: ListenOptions): Promise<number> {
  const server = createServer().listen(options);
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('listeningSockets', () => {
  it('tells addresses and ports of this process', async () => {
    const loopback = await listen({ host: '127.0.0.1', port: 0 });
    const all = await listen({ host: '0.0.0.0', port: 0 });
    const found = (await listeningSockets('/proc', process.pid))?.map(
      ({ address, port }) => `${address} ${port}`,
    );
    expect(found).toContain(`127.0.0.1 ${loopback}`);
    expect(found).toContain(`0.0.0.0 ${all}`);
  });

  it('tells those of IPv6', async ({ skip }) => {
    const port = await listen({ host: '::1', port: 0, ipv6Only: true }).catch(() => skip('no IPv6 here'));
    expect(await listeningSockets('/proc', process.pid)).toContainEqual(
      expect.objectContaining({ address: '::1', port }),
    );
  });

  it('leaves out what other processes listen on', async () => {
    started = await start('sleep', ['60']);
    await listen({ host: '127.0.0.1', port: 0 });
    expect(await listeningSockets('/proc', started.pid)).toEqual([]);
    expect(await listeningSockets('/proc', process.pid)).not.toEqual([]);
  });

  it('forgets what is closed', async () => {
    const port = await listen({ host: '127.0.0.1', port: 0 });
    const [server] = servers.splice(0);
    await new Promise((resolve) => server?.close(resolve));
    expect(await listeningSockets('/proc', process.pid)).not.toContainEqual(
      expect.objectContaining({ port }),
    );
  });

  it('is null for a process that may not be seen', async () => {
    expect(await listeningSockets('/proc', 2 ** 22 + 1)).toBeNull();
  });
});
