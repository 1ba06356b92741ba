import { describe, expect, it } from 'vitest';
import { TcpTable } from '../../../../src/core/proc/proc-net.ts';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode   ';

function tableOf(text: string) {
  const table = new TcpTable();
  const bytes = Buffer.from(text);
  const taken = table.take(bytes, bytes.length);
  return { ...table, taken };
}

describe('TcpTable', () => {
  it('reads listening and established sockets of version 4 and 6, and leaves the rest', () => {
    const table = [
      HEAD,
      '   0: 0100007F:2405 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0000000060d5f76a 100 0 0 10 0   ',
      '  17: 0100007F:2405 0100007F:D431 01 00000000:00000000 02:00000A8B 00000000     0        0 4294967296 2 0000000060d5f76a 20 4 30 10 -1',
      '  18: 0100007F:2405 0100007F:D433 06 00000000:00000000 03:00000A8B 00000000     0        0 0 3 0000000060d5f76a',
      '   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:D432 01 00000000:00000000 00:00000000 00000000     0        0 9 1 0000000060d5f76a 20 0 0 10 -1',
    ].join('\n');
    expect(tableOf(`${table}\n`)).toEqual({
      listening: [{ port: 9221, inode: 12345 }],
      localPorts: [9221, 8080],
      remotePorts: [54321, 54322],
      inodes: [4294967296, 9],
      taken: table.length + 1,
    });
  });

  it.each([
    '',
    `${HEAD}\n`,
    'no table',
    '   0: 0100007F:2405 00000000:0000',
  ])('finds nothing in %j', (text) => {
    expect(tableOf(text)).toMatchObject({ listening: [], inodes: [] });
  });
});
