import fc from 'fast-check';
import * as v from 'valibot';
import type { Option } from '../../src/config/option.ts';
import { type Config, OPTION_LIST } from '../../src/config/options.ts';
import {
  type AgentSelector,
  address,
  agentSelector,
  httpPaths,
  httpUrl,
  loopbackUrl,
  path,
  token,
  type ValueType,
} from '../../src/config/types.ts';

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('null', '123', '#x', 'a: b', ' x ', '\ud800', '"'),
);
const port = fc.integer({ min: 0, max: 65_535 });
const loopback = fc.constantFrom('127.0.0.1', '::1', 'localhost');

/** Values of the types whose bounds are no numbers. */
const OF_TYPE = new Map<object, fc.Arbitrary<unknown>>([
  [address, fc.record({ host: fc.oneof(loopback, fc.ipV4(), fc.ipV6(), fc.domain()), port })],
  [token, fc.stringMatching(/^[!-~]{8,40}$/)],
  [httpPaths, fc.array(fc.stringMatching(/^\/[a-z*./-]{0,20}$/), { minLength: 1, maxLength: 5 })],
  [path, text.filter((found) => found !== '' && !found.includes('\0'))],
  [httpUrl, fc.webUrl({ withQueryParameters: true, withFragments: true }).map((url) => new URL(url).href)],
  [loopbackUrl, fc.tuple(port, fc.webPath()).map(([at, to]) => new URL(`http://127.0.0.1:${at}${to}`).href)],
  [
    agentSelector,
    fc.oneof<fc.Arbitrary<AgentSelector>[]>(
      fc.constant({ kind: 'auto' }),
      fc.record({ kind: fc.constant('pid' as const), pid: fc.integer({ min: 1, max: 4_194_304 }) }),
      fc.record({
        kind: fc.constant('container' as const),
        name: fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/),
      }),
      fc.record({ kind: fc.constant('match' as const), text: text.filter((found) => /\S/.test(found)) }),
    ),
  ],
]);

/** Any value of a type, within its bounds. */
function anyOf(type: ValueType<NonNullable<unknown>>): fc.Arbitrary<unknown> {
  const known = OF_TYPE.get(type);
  if (known) return known;
  const { json, range = '' } = type;
  if (json.enum) return fc.constantFrom(...json.enum);
  if ([json.type].flat().includes('integer')) return bytes(json.minimum ?? 0);
  if (json.minimum !== undefined && json.maximum !== undefined)
    return fc.double({ min: json.minimum, max: json.maximum, noNaN: true });
  const [min, max] = range.split(' to ').map((bound) => Number(v.parse(type.schema, bound)));
  if (min === undefined || max === undefined) throw new Error(`no arbitrary for ${type.form}`);
  // the finest that is written: a microsecond of a time in ms, the ten-thousandth of a percent of a share
  const steps = max <= 1 ? 1e6 : 1e3;
  const fine = fc.integer({ min: min * steps, max: max * steps }).map((count) => count / steps);
  return fc.oneof(fc.integer({ min, max }), fine);
}

const bytes = (min: number) =>
  fc.oneof(
    fc.integer({ min, max: Number.MAX_SAFE_INTEGER }),
    fc.integer({ min: 1, max: 4096 }).map((mebi) => mebi * 2 ** 20),
  );

const optionValue = (option: Option) =>
  option.default === undefined ? fc.option(anyOf(option.type), { nil: undefined }) : anyOf(option.type);

/** Any configuration whose options agree with each other. */
export const configs = fc
  .record(Object.fromEntries(OPTION_LIST.map(([key, option]) => [key, optionValue(option)])))
  .map((config) => config as unknown as Config)
  .map((config) => (config.webhookUrl === undefined ? config : { ...config, webhookUrlFile: undefined }))
  .filter(
    ({ adminListen, adminToken, ...config }) =>
      config.warnRatio < config.shedRatio &&
      config.shedRatio < config.criticalRatio &&
      config.recoverMargin < config.warnRatio &&
      config.sampleMin <= config.sampleMax &&
      (adminToken !== undefined || ['127.0.0.1', '::1', 'localhost'].includes(adminListen.host)),
  );
