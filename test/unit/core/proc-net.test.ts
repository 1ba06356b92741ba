import { describe, expect, it } from 'vitest';
import { parseTcpTable, TCP_ESTABLISHED, TCP_LISTEN } from '../../../src/core/proc-net.ts';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode   ';

describe('parseTcpTable', () => {
  it('reads listening and established sockets of version 4 and 6', () => {
    const table = [
      HEAD,
      '   0: 0100007F:2405 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000000060d5f76a 100 0 0 10 0   ',
      '  17: 0100007F:2405 0100007F:D431 01 00000000:00000000 02:00000A8B 00000000     0        0 4294967296 2 0000000060d5f76a 20 4 30 10 -1',
      '   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:D432 01 00000000:00000000 00:00000000 00000000     0        0 9 1 0000000060d5f76a 20 0 0 10 -1',
    ].join('\n');
    expect(parseTcpTable(`${table}\n`)).toEqual([
      { localAddress: '0100007F', localPort: 9221, remotePort: 0, state: TCP_LISTEN, inode: 12345 },
      {
        localAddress: '0100007F',
        localPort: 9221,
        remotePort: 54321,
        state: TCP_ESTABLISHED,
        inode: 4294967296,
      },
      {
        localAddress: '0000000000000000FFFF00000100007F',
        localPort: 8080,
        remotePort: 54322,
        state: TCP_ESTABLISHED,
        inode: 9,
      },
    ]);
  });

  it.each([
    '',
    `${HEAD}\n`,
    'no table',
    '   0: 0100007F:2405 00000000:0000',
  ])('finds nothing in %j', (text) => {
    expect(parseTcpTable(text)).toEqual([]);
  });
});
