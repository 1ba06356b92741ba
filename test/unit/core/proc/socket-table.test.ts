import { describe, expect, it } from 'vitest';
import { parseListening } from '../../../../src/core/proc/socket-table.ts';

const HEADER =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

describe('parseListening', () => {
  it('takes the listening sockets of /proc/net/tcp only', () => {
    const text = `${HEADER}   0: 0100007F:17AC 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 21436 1 ffff8880 100 0 0 10 0
   1: 0100007F:17AC 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000  1000        0 21437 1 ffff8880 20 4 30 10 -1
  12: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 999 1 ffff8880 100 0 0 10 0
`;
    expect(parseListening(text)).toEqual([
      { address: '127.0.0.1', port: 6060, inode: 21436 },
      { address: '0.0.0.0', port: 80, inode: 999 },
    ]);
  });

  it.each([
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000001000000', '::1'],
    ['0000000000000000FFFF00000100007F', '127.0.0.1'],
    ['B80D0120000000000000000001000000', '2001:db8:0:0:0:0:0:1'],
  ])('reads the address %s as %s', (hex, address) => {
    const line = `   0: ${hex}:17AC ${'0'.repeat(32)}:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1 f`;
    expect(parseListening(HEADER + line)).toEqual([{ address, port: 6060, inode: 5 }]);
  });
});
