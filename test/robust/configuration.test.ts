import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { envOf, flagOf } from '../../src/config/option.ts';
import { OPTION_LIST } from '../../src/config/options.ts';
import { path, token } from '../../src/config/types.ts';
import { cleanEnv, runCli } from '../support/cli.ts';
import { random } from '../support/memory-stories.ts';
import { offencesPrinted } from '../support/words.ts';

const directory = mkdtempSync(join(tmpdir(), 'spillway-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

const STACK = /^\s+at |node:internal|Error:.*\n\s+at/m;
/** Wrong for every option: neither number, time, size, address, choice nor URL; a NUL is wrong even for a path. */
const NONSENSE = [
  '',
  ' ',
  '-',
  'x\ty',
  '1e999',
  'NaN',
  '-5Mi',
  '99999999999999999999Ti',
  '🙂',
  '[',
  '../..',
  '%00',
  '0x',
  'null',
];

async function refused(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, out, err } = await runCli(args, { env: cleanEnv(env) });
  expect(err, args.join(' ')).not.toMatch(STACK);
  expect(code, `${args.join(' ')}\n${err}`).toBe(2);
  expect(out).toBe('');
  return err;
}

describe('--help', () => {
  it.each([
    '',
    'guard',
    'run',
    'doctor',
    'config',
    'inject',
    'injector',
  ])('should speak the words of the field: spillway %s', async (command) => {
    const { code, out } = await runCli([...(command ? [command] : []), '--help'], { env: cleanEnv() });
    expect(code).toBe(0);
    expect(out).toMatch(/^Usage: spillway/);
    expect(offencesPrinted(out)).toEqual([]);
  });
});

describe('a wrong command line', () => {
  it.each([
    [[], /guard.*run.*doctor/s],
    [['bogus'], /unknown command 'bogus'/],
    [['run'], /spillway run .*-- /],
    [['run', '--'], /spillway run .*-- /],
    [['run', '--limit', '1Gi'], /spillway run .*-- /],
    [['run', '--limit', '1Gi', '--'], /spillway run .*-- /],
    [['guard', '--limit'], /--limit.* missing/],
    [['guard', '--shed-ration', '0.8'], /--shed-ration: is not a known flag; did you mean --shed-ratio\?/],
    [['guard', 'extra'], /extra: has no effect here/],
    [['guard', '--config'], /--config.* missing/],
    [['guard', '--config', directory], /this is a directory/],
    [['guard', '--config', join(directory, 'none.yaml')], /does not exist/],
    [['guard', '--config', '/proc/self/mem'], /cannot be read/],
    [['guard', '--config', '/dev/zero'], /larger than 1 MiB/],
    [['doctor', '--limit', 'much'], /--limit: .*"much"/],
  ])('should be refused with help: spillway %j', async (args, message) => {
    expect(await refused(args)).toMatch(message);
  });
});

/** Types that any text is a value of. */
const ANY_TEXT: ReadonlySet<unknown> = new Set([path, token]);

describe('a wrong configuration', () => {
  it('should be told whole, each problem with its place, from flags, environment and file at once', async () => {
    const file = join(directory, 'wrong.yaml');
    writeFileSync(file, 'hold: soon\nmaxUnready: 1ms\nshedRatoi: 0.5\nlisten: [1, 2]\n');
    const err = await refused(
      ['guard', '--config', file, '--limit', '12 apples', '--sample-min', '3s', '--agent', 'any'],
      { SPILLWAY_ON_BLIND: 'perhaps', SPILLWAY_RECOVERY: '1', SPILLWAY_WEBHOOK_URL: 'ftp://x' },
    );
    expect(err).toMatch(/10 problems/);
    for (const place of [
      `${file}:1`,
      `${file}:2`,
      `${file}:3`,
      `${file}:4`,
      '--limit',
      '--sample-min',
      '--agent',
    ])
      expect(err).toContain(place);
    for (const name of ['SPILLWAY_ON_BLIND', 'SPILLWAY_RECOVERY', 'SPILLWAY_WEBHOOK_URL'])
      expect(err).toContain(name);
  });

  it('should name each bad value once, whatever nonsense stands in flags and environment', async () => {
    const next = random(7);
    const pick = <T>(from: readonly T[]) => from[Math.floor(next() * from.length)] as T;
    const options = OPTION_LIST.filter(
      ([, { commands, type }]) => !ANY_TEXT.has(type) && commands.includes('guard'),
    );
    for (let round = 0; round < 12; round++) {
      const flagged = options.filter(() => next() < 0.3);
      const inEnv = options.filter(() => next() < 0.3);
      const args = flagged.map(([key]) => `${flagOf(key)}=${pick(NONSENSE)}`);
      const env = Object.fromEntries(
        inEnv.map(([key]) => [envOf(key), pick(NONSENSE.filter((text) => text.trim()))]),
      );
      const err = await refused(['guard', ...args, '--limit=nonsense'], env);
      for (const [key] of flagged) expect(err).toContain(flagOf(key));
      for (const [key] of inEnv) expect(err).toContain(envOf(key));
    }
  });

  it('should be told with a place when the file is broken, whatever stands in it', async () => {
    const next = random(11);
    const good = 'warnRatio: 0.7\nshedRatio: 0.8\nlisten: "127.0.0.1:0"\nhold: 5s\nlimit: 512Mi\n';
    const bytes = () => Buffer.from(Array.from({ length: 60 }, () => Math.floor(next() * 256)));
    const files: (string | Buffer)[] = [
      '[1, 2',
      '{"hold": "5s",',
      '- hold',
      'hold: 1\nhold: 2\n',
      'a: &a [*a]\n',
      `x: ${'['.repeat(5000)}`,
      `? ${'{'.repeat(3000)}`,
      '"just a string"',
      'hold: !!js/function "function(){}"\n',
      '<<: *none\n',
      '__proto__: 1\nconstructor: 2\ntoString: 3\n',
      Buffer.concat([Buffer.from(good), bytes()]),
      ...Array.from({ length: 6 }, () => bytes()),
      ...Array.from({ length: 4 }, () => `${good.slice(0, Math.floor(next() * good.length))}: [`),
    ];
    for (const [i, content] of files.entries()) {
      const file = join(directory, `broken-${i}.yaml`);
      writeFileSync(file, content);
      expect(await refused(['guard', '--config', file])).toContain(`broken-${i}.yaml`);
    }
  });
});
