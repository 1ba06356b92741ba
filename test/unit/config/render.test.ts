import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import * as v from 'valibot';
import { afterAll, describe, expect, it } from 'vitest';
import { type Config, envOf, OPTION_LIST, OPTIONS, type OptionKey } from '../../../src/config/options.ts';
import { helpText, renderOptionTable, renderYaml, valueText } from '../../../src/config/render.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';
import { configSchema } from '../../../src/config/schema.ts';

const dir = mkdtempSync(join(tmpdir(), 'spillway-render-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = join(dir, 'spillway.yaml');

const share = (min: number, max: number) => fc.double({ min, max, noNaN: true });
/** Times down to a microsecond, the finest that is written. */
const time = (minMs: number, maxMs: number) =>
  fc.oneof(
    fc.integer({ min: minMs, max: maxMs }),
    fc.integer({ min: minMs * 1000, max: maxMs * 1000 }).map((us) => us / 1000),
  );
const bytes = fc.oneof(
  fc.integer({ min: 2 ** 20, max: Number.MAX_SAFE_INTEGER }),
  fc.integer({ min: 1, max: 4096 }).map((mebi) => mebi * 2 ** 20),
);
const maybe = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: undefined });
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('null', '123', '#x', 'a: b', ' x ', '\ud800', '"'),
);

/** An option without values of its own below stays as it is by default. */
const defaults = Object.fromEntries(
  OPTION_LIST.map(([key, option]) => [key, fc.constant(option.default)]),
) as { [K in OptionKey]: fc.Arbitrary<Config[K]> };

const configs: fc.Arbitrary<Config> = fc
  .record({
    ...defaults,
    listen: fc.record({
      host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
      port: fc.integer({ min: 0, max: 65_535 }),
    }),
    adminListen: fc.record({ host: fc.constantFrom('127.0.0.1', '::1', 'localhost'), port: fc.nat(65_535) }),
    adminToken: maybe(fc.stringMatching(/^[!-~]{8,40}$/)),
    warnRatio: share(0.01, 1),
    shedRatio: share(0.01, 1),
    criticalRatio: share(0.01, 1),
    recoverMargin: share(0, 0.5),
    hold: time(0, 3_600_000),
    agent: fc.oneof(
      fc.constant({ kind: 'auto' as const }),
      fc.record({ kind: fc.constant('pid' as const), pid: fc.integer({ min: 1, max: 4_194_304 }) }),
      fc.record({
        kind: fc.constant('container' as const),
        name: fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/),
      }),
      fc.record({ kind: fc.constant('match' as const), text: text.filter((found) => /\S/.test(found)) }),
    ),
    limit: maybe(bytes),
    downwardLimit: maybe(bytes),
    podRestartPolicy: maybe(fc.constantFrom('Always' as const, 'OnFailure' as const, 'Never' as const)),
    sampleMin: time(1, 1000),
    sampleMax: time(1, 10_000),
    gc: fc.constantFrom('auto' as const, 'inspect-only' as const, 'off' as const),
    gcStallBudget: fc.nat(1_000_000).map((millionths) => millionths / 1e6),
    profile: fc.constantFrom('auto' as const, 'off' as const),
    maxUnready: time(1000, 86_400_000),
    recycle: fc.constantFrom('auto' as const, 'on' as const, 'off' as const),
    recycleGrace: time(1000, 3_600_000),
    restart: fc.constantFrom('no' as const, 'on-failure' as const, 'always' as const),
    recordDir: maybe(text.filter((found) => found !== '' && !found.includes('\0'))),
    onBlind: fc.constantFrom('ready' as const, 'unready' as const),
    events: fc.constantFrom('auto' as const, 'on' as const, 'off' as const),
    webhookUrl: maybe(
      fc.webUrl({ withQueryParameters: true, withFragments: true }).map((url) => new URL(url).href),
    ),
    logLevel: fc.constantFrom('trace' as const, 'debug' as const, 'silent' as const),
    logFormat: fc.constantFrom('json' as const, 'pretty' as const, undefined),
  })
  .filter(
    (config) =>
      config.warnRatio < config.shedRatio &&
      config.shedRatio < config.criticalRatio &&
      config.recoverMargin < config.warnRatio &&
      config.sampleMin <= config.sampleMax,
  );

describe('a rendered configuration', () => {
  it('parses to the same configuration, as a file and as flags', async () => {
    await fc.assert(
      fc.asyncProperty(configs, async (config) => {
        writeFileSync(file, renderYaml(config));
        expect((await resolveConfig({ file })).config).toEqual(config);
        const flags = OPTION_LIST.map(([key]) => [key, valueText(key, config)] as const);
        const given = flags
          .filter(([, value]) => value !== undefined)
          .map(([key, value]) => [key, String(value)]);
        expect((await resolveConfig({ flags: Object.fromEntries(given) })).config).toEqual(config);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the JSON schema', () => {
  const schema = configSchema();

  /** What this schema uses of the standard. */
  function conforms(key: OptionKey, value: unknown): boolean {
    const property = schema.properties[key]!;
    const type =
      typeof value === 'number' && Number.isInteger(value) ? ['integer', 'number'] : [typeof value];
    if (![property.type].flat().some((name) => type.includes(name))) return false;
    if (typeof value === 'number') return value >= property.minimum! && value <= (property.maximum ?? value);
    const inEnum = property.enum === undefined || property.enum.includes(value as string);
    return (
      inEnum && (property.pattern === undefined || new RegExp(property.pattern, 'u').test(value as string))
    );
  }

  it('knows every option, with its default, and no other', () => {
    expect(Object.keys(schema.properties)).toEqual(OPTION_LIST.map(([key]) => key));
    expect(schema.additionalProperties).toBe(false);
    expect(schema.properties).toMatchObject({
      shedRatio: { default: 0.85, minimum: 0.01, maximum: 1 },
      hold: { default: '5s' },
      listen: { default: '[::]:9797' },
      onBlind: { enum: ['ready', 'unready'], default: 'ready' },
      gcStallBudget: { type: 'string', default: '10%' },
    });
    for (const [key] of OPTION_LIST) expect(schema.properties[key]?.description).toMatch(/^[A-Z].*\.$/);
  });

  it('takes every rendered value', () => {
    fc.assert(
      fc.property(configs, (config) => {
        for (const [key] of OPTION_LIST) {
          const value = valueText(key, config);
          if (value !== undefined && !conforms(key, value))
            throw new Error(`${key}: ${JSON.stringify(value)}`);
        }
      }),
    );
  });

  it('takes whatever the parser takes', () => {
    const token = fc.constantFrom(
      ...'0159.:eE+-[] /%\n',
      'Ki',
      'Mi',
      'G',
      'ms',
      's',
      'm',
      'pid:',
      'match:',
      'auto',
      'http://',
      'a',
      '::',
    );
    const value = fc.oneof(
      fc.array(token, { maxLength: 6 }).map((tokens) => tokens.join('')),
      fc.double(),
      fc.integer(),
    );
    fc.assert(
      fc.property(fc.constantFrom(...OPTION_LIST.map(([key]) => key)), value, (key, found) => {
        const taken = v.safeParse<v.GenericSchema<unknown, unknown>>(OPTIONS[key].type.schema, found).success;
        if (taken && !conforms(key, found)) throw new Error(`${key}: ${JSON.stringify(found)}`);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('the README table', () => {
  it('has a row for each option', () => {
    const lines = renderOptionTable().trimEnd().split('\n');
    expect(lines).toHaveLength(OPTION_LIST.length + 2);
    expect(lines).toContain(
      '| `record-dir` | none | Directory that keeps a JSON report of each death, the last 10 |',
    );
    expect(lines).toContain(
      '| `shed-ratio` | `0.85` | Share of the limit at which the level becomes shedding and readiness answers 503 (0.01 to 1) |',
    );
    for (const line of lines) expect(line.split(/(?<!\\)\|/)).toHaveLength(5);
  });
});

describe('the table', () => {
  it('holds defaults that its own rules take', async () => {
    const flags = OPTION_LIST.filter(([, option]) => option.default !== undefined);
    const given = flags.map(([key, option]) => [envOf(key), String(option.type.render(option.default!))]);
    const { config } = await resolveConfig({ env: Object.fromEntries(given) });
    expect(config).toEqual((await resolveConfig({})).config);
    for (const [key, option] of OPTION_LIST)
      expect(option.default === undefined, key).toBe(option.unset !== undefined);
  });

  it('gives a line of help', () => {
    expect(helpText('hold')).toBe('Shortest time in a level (0s to 1h; default: 5s)');
    expect(helpText('limit')).toMatch(/\(at least 1Mi; default: from the kernel\)$/);
  });
});
