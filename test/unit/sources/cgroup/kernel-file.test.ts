import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../../src/core/lib/errors.ts';
import { KernelFile } from '../../../../src/sources/cgroup/kernel-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kernel-file-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function fileOf(content: string | Uint8Array): KernelFile {
  const path = join(directory, 'file');
  writeFileSync(path, content);
  return new KernelFile(path);
}

function reading<T>(content: string | Uint8Array, read: (file: KernelFile) => T): T {
  const file = fileOf(content);
  try {
    return read(file);
  } finally {
    file.close();
  }
}

describe('a kernel file of one number', () => {
  it('reads it again from its start each time', () => {
    const file = fileOf('4096\n');
    expect(file.readNumber()).toBe(4096);
    writeFileSync(file.path, '12288\n');
    expect(file.readNumber()).toBe(12288);
    file.close();
  });

  it.each(['', '\n', 'max\n', '-5\n', '12 kB\n', '0x10\n'])('refuses %j and names the file', (content) => {
    expect(() => reading(content, (file) => file.readNumber())).toThrowError(
      expect.objectContaining({ code: 'malformed', message: expect.stringContaining('file') }),
    );
  });
});

describe('a limit file', () => {
  it.each([
    ['max\n', 'unlimited'],
    ['-1\n', 'unlimited'],
    ['9223372036854771712\n', 'unlimited'],
    ['18446744073709551615\n', 'unlimited'],
    ['536870912\n', 536870912],
    ['0\n', 0],
  ])('reads %j as %s', (content, limit) => {
    expect(reading(content, (file) => file.readLimit())).toBe(limit);
  });
});

describe('a file of keys', () => {
  const keys = ['anon', 'file', 'slab_reclaimable'].map((key) => Buffer.from(key));
  const read = (content: string | Uint8Array) =>
    reading(content, (file) => {
      const values = new Float64Array(keys.length);
      file.readKeys(keys, values);
      return [...values];
    });

  it('finds keys in any order, whole words only, and says -1 of what is missing', () => {
    expect(read('file_mapped 7\nfile 20\nanonymous 9\nanon 10\n')).toEqual([10, 20, -1]);
  });

  it('reads the last line without its newline', () => {
    expect(read('anon 1\nslab_reclaimable 42')).toEqual([1, -1, 42]);
  });

  it('passes over lines that newer kernels add, and over lines with no number', () => {
    expect(read('sock_throttled 3\nheader\nanon 5\nnuma N0=5 N1=6\n')).toEqual([5, -1, -1]);
  });

  it('finds what was rendered, whatever stands around it', () => {
    const other = fc
      .stringMatching(/^[a-z_]{1,12}$/)
      .filter((key) => !keys.some((known) => known.toString() === key));
    const lines = fc.array(fc.tuple(other, fc.nat()), { maxLength: 40 });
    const values = fc.tuple(fc.nat(), fc.nat(), fc.maxSafeNat());
    fc.assert(
      fc.property(lines, lines, values, (before, after, wanted) => {
        const known = keys.map((key, i) => [key.toString(), wanted[i]] as const);
        const text = [...before, ...known, ...after].map(([key, value]) => `${key} ${value}\n`).join('');
        expect(read(text)).toEqual(wanted);
      }),
      { numRuns: 60 },
    );
  });

  it('either reads or refuses arbitrary bytes, with an error that names the file', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const method of ['readNumber', 'readLimit'] as const) {
          try {
            reading(bytes, (file) => file[method]());
          } catch (error) {
            expect(error).toBeInstanceOf(SpillwayError);
            expect(String(error)).toContain(directory);
          }
        }
        try {
          read(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SpillwayError);
        }
      }),
      { numRuns: 100 },
    );
  });
});
