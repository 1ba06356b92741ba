import { describe, expect, it } from 'vitest';
import { v8HeapBytes } from '../../../../src/core/proc/v8-mappings.ts';

const KIB = 1024;

describe('the heap of V8 by the mappings of its process', () => {
  // of Node 22 on x64
  const heap = `19c3b8600000-19c3b8680000 rw-p 00000000 00:00 0
3d9100000000-3d9100400000 rw-p 00000000 00:00 0
3d9100400000-3d9100500000 ---p 00000000 00:00 0
`;
  const rest = `034d6000-034f6000 rw-p 030d6000 fe:00 1234                               /usr/bin/node
2f4d6000-3b4d6000 rw-p 00000000 00:00 0                                  [heap]
7f7d28000000-7f7d34000000 rw-p 00000000 00:00 0
7f7d34021000-7f7d34022000 r-xp 00000000 fe:00 5678                       /usr/lib/x86_64-linux-gnu/libc.so.6
7ffc1e5d7000-7ffc1e5f8000 rw-p 00000000 00:00 0                          [stack]
`;

  it('is what lies at the random addresses that V8 asks for, and nothing else', () => {
    expect(v8HeapBytes(heap + rest)).toBe((512 + 4096) * KIB);
  });

  it('cannot be told where there is nothing like it', () => {
    expect(v8HeapBytes(rest)).toBeNull();
    expect(v8HeapBytes('')).toBeNull();
  });
});
