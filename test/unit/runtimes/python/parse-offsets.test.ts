import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hookSockets } from '../../../../src/core/proc/python-facts.ts';
import { isWritable, parseMaps, pythonFiles } from '../../../../src/core/proc/python-maps.ts';
import { parseCollection, parseProfile } from '../../../../src/runtimes/python/parse-answer.ts';
import { parseDebugOffsets } from '../../../../src/runtimes/python/parse-offsets.ts';
import { PYTHON_WORK } from '../../../../src/runtimes/python/work.ts';
import { golden } from '../../../support/golden.ts';

/** `_Py_DebugOffsets` as read from CPython 3.14.10 and 3.15.2 (Debian's builds, x86-64); the numbers after the cookie. */
const REAL = {
  '3.14.10': [
    51251952, 0, 316616, 784, 808, 225864, 7280, 7272, 7344, 7360, 7408, 7688, 7672, 7680, 16, 7784, 0, 7800,
    7792, 7992, 0, 832, 0, 8, 16, 72, 152, 160, 232, 32, 88, 8, 0, 56, 80, 74, 64, 0, 216, 112, 120, 128, 136,
    68, 52, 96, 104, 208, 0, 16, 8, 416, 24, 88, 168, 40, 32, 16, 40, 24, 16, 200, 24, 40, 32, 48, 32, 40, 24,
    16, 32, 16, 24, 40, 16, 32, 64, 32, 16, 40, 264, 192, 160, 24, 72, 67, 0, 8, 24, 304, 8076, 0, 4, 512,
  ],
  '3.15.2': [
    51315440, 0, 346568, 912, 936, 226240, 7272, 7264, 7336, 7352, 7400, 7592, 7576, 7584, 16, 7736, 0, 7752,
    7744, 7944, 0, 888, 0, 8, 16, 72, 80, 88, 96, 176, 184, 256, 32, 36, 40, 136, 288, 0, 88, 8, 0, 56, 80,
    74, 64, 0, 216, 112, 120, 128, 136, 68, 52, 96, 104, 208, 0, 16, 8, 424, 24, 88, 168, 32, 288, 944, 888,
    40, 32, 16, 40, 24, 16, 200, 24, 40, 32, 48, 32, 40, 24, 16, 32, 16, 24, 40, 16, 32, 64, 32, 16, 40, 56,
    176, 112, 120, 1120, 104, 160, 24, 72, 67, 0, 8, 24, 344, 8028, 0, 4, 512,
  ],
} as const;

function bytesOf(
  numbers: readonly number[],
  changed: Record<number, number> = {},
  cookie = 'xdebugpy',
): Uint8Array {
  const bytes = Buffer.alloc(1024);
  bytes.write(cookie, 'latin1');
  for (const [i, number] of numbers.entries())
    bytes.writeBigUInt64LE(BigInt(changed[i] ?? number), 8 + i * 8);
  return bytes;
}

describe('parseDebugOffsets', () => {
  it('reads those of 3.14', () => {
    expect(parseDebugOffsets(bytesOf(REAL['3.14.10']))).toEqual({
      version: '3.14.10',
      runtime: { finalizing: 784, interpretersHead: 808 },
      interpreter: { id: 7280, next: 7272, threadsMain: 7360, remoteDebuggingEnabled: 8076 },
      thread: { interpreter: 16, nativeThreadId: 160, evalBreaker: 24, pendingCall: 304, path: 308 },
      pathBytes: 512,
    });
  });

  it('reads those of 3.15', () => {
    expect(parseDebugOffsets(bytesOf(REAL['3.15.2']))).toMatchObject({
      version: '3.15.2',
      thread: { nativeThreadId: 184, evalBreaker: 24, pendingCall: 344, path: 348 },
      pathBytes: 512,
    });
  });

  const real = REAL['3.14.10'];
  const REFUSED = [
    ['other memory', bytesOf(real, {}, 'xdebugpx')],
    ['3.13', bytesOf(real, { 0: 0x030d00f0 })],
    ['a version to come', bytesOf(real, { 0: 0x031000f0 })],
    ['a pre-release', bytesOf(real, { 0: 0x030e00c1 })],
    ['a free-threaded build', bytesOf(real, { 1: 1 })],
    ['an offset outside its structure', bytesOf(real, { 88: 830 })],
    ['a path that runs over its structure', bytesOf(real, { 93: 600 })],
    ['an odd offset of the eval breaker', bytesOf(real, { 88: 25 })],
    ['a huge structure', bytesOf(real, { 21: 2 ** 40 })],
    ['offsets that are cut off', bytesOf(real).subarray(0, 700)],
    ['a cookie that is cut off', new Uint8Array(4)],
  ] as const;

  it.each(REFUSED)('refuses %s', (_, bytes) => {
    expect(parseDebugOffsets(bytes)).toBeTypeOf('string');
  });

  golden('python-offsets', () => REFUSED.map(([name, bytes]) => `${name}: ${parseDebugOffsets(bytes)}`));
});

describe('maps', () => {
  const maps = parseMaps(`\
00400000-00427000 r--p 00000000 fe:00 10 /usr/bin/python3.14
00b51000-00bee000 rw-p 00751000 fe:00 10 /usr/bin/python3.14
00bee000-00c00000 rw-p 00000000 00:00 0
00c00000-00d00000 r--p 00000000 00:00 0                                  [heap]
7f0000000000-7f0000001000 r--p 00000000 fe:00 11                         /usr/lib/libpython3.14.so.1.0
`);

  it.each([
    [0xb51000, 8, true],
    [0xbedff8, 16, true], // over two mappings without a gap
    [0xbffff8, 16, false],
    [0x400000, 8, false],
    [0xb50ff8, 16, false],
    [0, 8, false],
    [Number.NaN, 8, false],
  ])('from 0x%x, %i bytes: writable %s', (address, bytes, writable) => {
    expect(isWritable(maps, address, bytes)).toBe(writable);
  });

  it('finds the library before the program', () => {
    expect(pythonFiles(maps, '/usr/bin/python3.14').map(({ path }) => path)).toEqual([
      '/usr/lib/libpython3.14.so.1.0',
      '/usr/bin/python3.14',
      '/usr/bin/python3.14',
    ]);
  });
});

describe('hookSockets', () => {
  it('takes only names of the full length', () => {
    const name = `spillway-hook-7-${'a'.repeat(91)}`;
    expect(
      hookSockets(`Num       RefCount Protocol Flags    Type St Inode Path
00000000: 00000002 00000000 00010000 0001 01 825779 @${name}
00000000: 00000002 00000000 00010000 0001 01 825780 @spillway-hook-8-aa
00000000: 00000002 00000000 00010000 0001 01 825781 /run/${name}
`),
    ).toEqual([{ inode: '825779', name: `\0${name}` }]);
  });
});

describe('answers', () => {
  it.each([
    '',
    'null',
    '[]',
    '{"ok":{}}',
    '{"ok":{"stallMs":-1}}',
    '{"error":"MemoryError: x"}',
  ])('of %j are refused', (answer) => {
    expect(() => parseCollection(answer, 'main')).toThrow(expect.objectContaining({ code: 'refused' }));
    expect(() => parseProfile(answer, null)).toThrow(expect.objectContaining({ code: 'refused' }));
  });

  it('compare with the first', () => {
    const answer = (bytes: number) =>
      JSON.stringify({
        ok: {
          kind: 'function',
          stallMs: 1,
          totalBytes: bytes + 5,
          sites: [{ name: '', file: '/v/site-packages/openai/_client.py', line: 3, bytes }],
        },
      });
    const { baseline, profile } = parseProfile(answer(10), null);
    expect(profile).toMatchObject({ sites: [{ growthBytes: 0 }] });
    expect(parseProfile(answer(30), baseline).profile).toMatchObject({
      sites: [{ name: '(line)', package: 'openai', line: 3, bytes: 30, growthBytes: 20 }],
    });
  });
});

it('the hook holds the same work as the guardian', () => {
  expect(readFileSync(`${import.meta.dirname}/../../../../src/python/spillway_hook.py`, 'utf8')).toContain(
    PYTHON_WORK,
  );
});
