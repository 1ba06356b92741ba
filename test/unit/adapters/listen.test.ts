import { createServer, Server } from 'node:http';
import { networkInterfaces } from 'node:os';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { listenOn } from '../../../src/adapters/listen.ts';
import { OPTIONS } from '../../../src/config/options.ts';

const v6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

async function bind(host: string) {
  const server = createServer((_request, response) => void response.end('here'));
  onTestFinished(() => void server.close());
  return listenOn(server, { host, port: 0 }, '--listen', '[::]:9797');
}

const answer = async (host: string, port: number) =>
  fetch(`http://${host}:${port}`)
    .then((response) => response.text())
    .catch(() => 'nobody');

describe('listening', () => {
  it.skipIf(!v6)('answers on IPv6 and on IPv4 by default: a pod has the one, the other or both', async () => {
    const { port } = await bind(OPTIONS.listen.default.host);
    expect([await answer('127.0.0.1', port), await answer('[::1]', port)]).toEqual(['here', 'here']);
  });

  it('answers on IPv4 alone where that is written', async () => {
    const { host, port } = await bind('0.0.0.0');
    expect([host, await answer('127.0.0.1', port), await answer('[::1]', port)]).toEqual([
      '0.0.0.0',
      'here',
      'nobody',
    ]);
  });

  it('leaves the choice to Node, which falls back to IPv4 where the kernel has no IPv6', async () => {
    const listen = vi.spyOn(Server.prototype, 'listen');
    onTestFinished(() => listen.mockRestore());
    await bind('::');
    expect(listen.mock.calls[0]?.[0]).toMatchObject({ port: 0, host: undefined });
  });
});
