import { isMap, isScalar, type Pair, parseDocument, type Scalar, type YAMLMap } from 'yaml';
import { OPTIONS } from '../../../src/config/options.ts';
import { CHART_OPTIONS } from './sidecar-options.ts';

/** A JSON schema, as far as it is made here. */
export type Schema = { [key: string]: unknown };

/** One value of the chart: its path, what stands above it, and its default. */
interface Row {
  path: string;
  prose: string;
  hint: Schema;
  value: unknown;
}

const QUANTITY = String.raw`^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$`;
const DEFINITIONS = {
  quantity: { type: ['string', 'integer', 'number'], pattern: QUANTITY, exclusiveMinimum: 0 },
  quantities: {
    type: 'object',
    additionalProperties: { $ref: '#/definitions/quantity' },
    propertyNames: { enum: ['cpu', 'memory', 'ephemeral-storage'] },
  },
  labels: { type: 'object', additionalProperties: { type: 'string' } },
};

const oneLine = (value: string) => value.replaceAll('\u0000', '');

/** `values.yaml` with the rows of `guardian` as the table of options has them: one line each, `null` for "as the guardian". */
export function withOptions(values: string): string {
  const rows = CHART_OPTIONS.map((key) => {
    const { description, type, default: value, unset } = OPTIONS[key];
    const range = type.range === undefined ? '' : ` (${type.range})`;
    const otherwise = value === undefined ? unset : `\`${type.render(value as never)}\``;
    return `  # ${oneLine(description)}${range}. Of the guardian: ${otherwise}.\n  ${key}: null\n`;
  });
  const marks = /( {2}# options:.*\n)[\s\S]*?( {2}# \/options\n)/;
  if (!marks.test(values)) throw new Error('values.yaml has no marks for the options');
  return values.replace(marks, (_all, open: string, close: string) => `${open}${rows.join('')}${close}`);
}

/** The JSON schema (draft 7, which every helm 3 reads) of the values. */
export function schemaOf(values: string): string {
  const root = parseDocument(values).contents as YAMLMap;
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart spillway',
    ...objectSchema(root),
    definitions: DEFINITIONS,
  };
  // what a chart around this one hands down
  schema.properties['global'] = { type: 'object' };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** The schema of a mapping: what is declared, and nothing else. */
function objectSchema(map: YAMLMap, path = ''): { properties: Schema; [key: string]: unknown } {
  const properties: Schema = {};
  for (const pair of map.items as Pair<Scalar, unknown>[]) {
    const key = String(pair.key.value);
    const { prose, hint } = commentOf(pair, map);
    const own = isMap(pair.value) && pair.value.items.length > 0 && !('$ref' in hint);
    const shape =
      path === 'guardian.'
        ? optionSchema(key)
        : own
          ? objectSchema(pair.value as YAMLMap, `${path}${key}.`)
          : {};
    const type = '$ref' in hint || 'enum' in hint || 'type' in hint ? {} : typeOf(pair.value);
    properties[key] = { description: prose, ...(own ? {} : type), ...shape, ...hint };
  }
  return { type: 'object', additionalProperties: false, properties };
}

/** The schema of one option, with patterns that Go reads as JavaScript does. */
function optionSchema(key: string): Schema {
  const { type, pattern, enum: words, ...bounds } = OPTIONS[key as keyof typeof OPTIONS].type.json;
  // helm reads an unquoted `on` or `off` as true or false; the templates turn it back
  const switches = [
    words?.includes('on') ? true : undefined,
    words?.includes('off') ? false : undefined,
  ].filter((value) => value !== undefined);
  return {
    type: [...(Array.isArray(type) ? type : [type]), ...(switches.length > 0 ? ['boolean'] : []), 'null'],
    ...(pattern === undefined ? {} : { pattern: pattern.replaceAll('\\u0000', '\\x00') }),
    ...(words === undefined ? {} : { enum: [...words, ...switches, null] }),
    ...bounds,
  };
}

function typeOf(node: unknown): Schema {
  const value = (node as Scalar).toJSON() as unknown;
  return { type: Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value };
}

/** The comment right above a key: its words, and the hint for the schema. */
function commentOf(pair: Pair<Scalar, unknown>, map: YAMLMap): { prose: string; hint: Schema } {
  const first = map.items[0] === pair ? (map.commentBefore ?? '') : '';
  const above = (pair.key.commentBefore ?? first).split('\n\n').at(-1) ?? '';
  const lines = above.split('\n').map((line) => line.trim());
  const hint = lines.find((line) => line.startsWith('@schema '));
  const prose = lines.filter((line) => !line.startsWith('@schema ') && !/^\/?options(:|$)/.test(line));
  return {
    prose: prose.join(' '),
    hint: hint === undefined ? {} : (JSON.parse(hint.slice('@schema '.length)) as Schema),
  };
}

/** Every value that is set by itself, in the order of the file. */
export function rowsOf(values: string): Row[] {
  return rowsUnder(parseDocument(values).contents as YAMLMap, '');
}

function rowsUnder(map: YAMLMap, path: string): Row[] {
  return (map.items as Pair<Scalar, unknown>[]).flatMap((pair) => {
    const own = `${path}${String(pair.key.value)}`;
    const { prose, hint } = commentOf(pair, map);
    if (isMap(pair.value) && pair.value.items.length > 0 && !('$ref' in hint))
      return rowsUnder(pair.value, `${own}.`);
    const value = isScalar(pair.value) ? pair.value.value : (pair.value as YAMLMap).toJSON();
    return [{ path: own, prose, hint, value }];
  });
}

/** The chart's README with the table of values between its marks. */
export function withValues(readme: string, values: string): string {
  const rows = rowsOf(values).map(
    ({ path, prose, value }) =>
      `| \`${path}\` | \`${JSON.stringify(value)}\` | ${prose.replaceAll('|', '\\|')} |\n`,
  );
  const marks = /(<!-- values:.*-->\n)[\s\S]*?(<!-- \/values -->)/;
  if (!marks.test(readme)) throw new Error('the README of the chart has no marks for the values');
  return readme.replace(
    marks,
    (_all, open: string, close: string) =>
      `${open}| value | default | meaning |\n| --- | --- | --- |\n${rows.join('')}${close}`,
  );
}
