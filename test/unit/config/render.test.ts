import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import * as v from 'valibot';
import { afterAll, describe, expect, it } from 'vitest';
import { envOf } from '../../../src/config/option.ts';
import { OPTION_LIST, OPTIONS, type OptionKey } from '../../../src/config/options.ts';
import { helpText, renderOptionTable, renderYaml, valueText } from '../../../src/config/render.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { golden } from '../../support/golden.ts';
import { configs } from '../../support/option-arbitraries.ts';

const dir = mkdtempSync(join(tmpdir(), 'spillway-render-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = join(dir, 'spillway.yaml');

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

  golden('help', () => [helpText('hold'), helpText('limit')]);
});
