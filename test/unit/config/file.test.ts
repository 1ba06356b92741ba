import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readConfigFile } from '../../../src/config/file.ts';
import { OPTION_LIST } from '../../../src/config/options.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';
import { SpillwayError } from '../../../src/core/lib/errors.ts';

const dir = mkdtempSync(join(tmpdir(), 'spillway-file-'));
afterAll(() => rmSync(dir, { recursive: true }));
const path = join(dir, 'spillway.yaml');

/** What is wrong with a file of this content, without its path. */
async function problemsOf(content: string | Uint8Array): Promise<string[]> {
  writeFileSync(path, content);
  const { problems } = await readConfigFile(path);
  return problems.map(({ place, message }) => `${place.slice(path.length)} ${message}`.trim());
}

describe('a file as a whole', () => {
  it.each(['', '\n\n', '# nothing\n', '---\n', '{}', '\uFEFF', '~'])('may be empty: %j', async (content) => {
    writeFileSync(path, content);
    expect(await readConfigFile(path)).toEqual({ entries: [], problems: [] });
  });

  it('must exist and be a file', async () => {
    const messageOf = async (at: string) => (await readConfigFile(at)).problems[0]?.message;
    const wrong = [join(dir, 'none.yaml'), dir, 'a\0b', '/dev/zero'];
    const messages = await Promise.all(wrong.map(messageOf));
    expect(new Set(messages).size, 'each has a sentence of its own').toBe(wrong.length);
    expect(messages).not.toContain(undefined);
  });

  it('must be a UTF-8 mapping of at most 1 MiB', async () => {
    expect(await problemsOf('- hold')).toEqual([':1:1 this is not a mapping']);
    expect(await problemsOf('hold')).toEqual([':1:1 this is not a mapping']);
    expect(await problemsOf(new Uint8Array([0x68, 0xff, 0xfe]))).toEqual(['the file is not UTF-8 text']);
    expect(await problemsOf(`#${'x'.repeat(1024 * 1024)}`)).toEqual(['the file is larger than 1 MiB']);
    expect(await problemsOf(`#${'x'.repeat(1024 * 1024 - 1)}`)).toEqual([]);
  });
});

describe('syntax', () => {
  it('errors stand with line and column', async () => {
    expect(await problemsOf('hold: 5s\nlisten: [::]:9797\n')).toEqual([expect.stringMatching(/^:2:\d+ /)]);
    expect(await problemsOf('hold: 5s\n\tlimit: 1Gi\n')).toEqual([expect.stringMatching(/^:2:\d+ /)]);
    expect(await problemsOf('{"hold": "5s"')).toEqual([expect.stringMatching(/^:1:\d+ /)]);
    expect(await problemsOf('hold: 5s\n---\nhold: 6s\n')).toEqual([expect.stringMatching(/^:2:1 /)]);
    expect(await problemsOf('hold: !soon 5s\n')).toEqual([':1:7 Unresolved tag: !soon']);
  });

  it('errors that flow from others are not listed without end', async () => {
    expect((await problemsOf(']'.repeat(1000))).length).toBeLessThanOrEqual(10);
  });

  it('that exhausts the parser is one problem', async () => {
    expect((await problemsOf('['.repeat(50_000))).length).toBeGreaterThan(0);
    expect((await problemsOf('{a: '.repeat(50_000))).length).toBeGreaterThan(0);
  });

  it('reads keys and values that no option takes', async () => {
    writeFileSync(path, '? [a]\n: 1\n12: {a: 1}\n<<: *none\nhold:\n');
    const { entries } = await readConfigFile(path);
    expect(entries?.map(({ key, value }) => [key, value])).toEqual([
      ['a key that is not text', 1],
      ['12', {}],
      ['<<', null],
      ['hold', null],
    ]);
  });
});

describe('any content', () => {
  const keys = fc.oneof(
    fc.constantFrom(...OPTION_LIST.map(([key]) => key), '__proto__', 'toString'),
    fc.string(),
  );

  /** Reads it; anything but a configuration or a `config` error fails. */
  async function outcome(content: string | Uint8Array): Promise<void> {
    writeFileSync(path, content);
    try {
      const { config } = await resolveConfig({ file: path });
      expect(Object.keys(config)).toEqual(OPTION_LIST.map(([key]) => key));
      expect(config.warnRatio).toBeLessThan(config.shedRatio);
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(SpillwayError);
      expect(thrown).toMatchObject({ code: 'config' });
    }
  }

  it('gives a configuration or a config error: bytes', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), outcome), { numRuns: 300 });
  });

  it('gives a configuration or a config error: text near YAML', async () => {
    const token = fc.constantFrom(
      ...'{}[]:,-?&*!|>#"\'%@ \n\t~<',
      'hold',
      'a',
      '5s',
      '0.8',
      '---',
      '...',
      '%YAML 1.1',
    );
    const text = fc.array(fc.oneof(token, keys), { maxLength: 40 }).map((tokens) => tokens.join(''));
    await fc.assert(fc.asyncProperty(text, outcome), { numRuns: 500 });
  });

  it('gives a configuration or a config error: JSON', async () => {
    const json = fc.oneof(fc.jsonValue(), fc.dictionary(keys, fc.jsonValue()));
    await fc.assert(
      fc.asyncProperty(json, (value) => outcome(JSON.stringify(value))),
      { numRuns: 500 },
    );
  });
});
