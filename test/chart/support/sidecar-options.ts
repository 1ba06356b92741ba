import { ANNOTATION_OPTIONS } from '../../../src/config/inject-config.ts';
import { envOf, flagOf } from '../../../src/config/option.ts';
import { OPTION_LIST, OPTIONS, type OptionKey } from '../../../src/config/options.ts';
import { ORDERINGS } from '../../../src/config/orderings.ts';
import {
  duration,
  httpPaths,
  httpUrl,
  loopbackUrl,
  path,
  percentage,
  quantity,
  ratio,
} from '../../../src/config/types.ts';
import { HOOK_ARG } from '../../../src/core/inject/hook.ts';
import { HOOK_OBSTACLES, NODE_COMMAND } from '../../../src/core/inject/hook-rules.ts';
import { HOOK_DIR, HOOK_REQUIRE } from '../../../src/core/inject/names.ts';
import { OBSTACLES } from '../../../src/core/inject/obstacle.ts';
import { INITS, KILLS_ONE } from '../../../src/core/inject/pid-one.ts';
import { celOf } from '../../../src/core/inject/pod-rule.ts';
import {
  GATE_EXEMPT,
  ISTIO_PROBER,
  ISTIO_PROBERS,
  PROBE_PATH,
} from '../../../src/core/inject/probe-paths.ts';
import { PROXIES } from '../../../src/core/inject/proxies.ts';
import { MAX_RECORD_DIR, RECORD_DIR, SYSTEM_DIR } from '../../../src/core/inject/record-dir.ts';
import { CPU_LIMIT } from '../../../src/core/inject/sidecar.ts';
import { WARNINGS } from '../../../src/core/inject/warnings.ts';
import { parseDuration, parseQuantity } from '../../../src/core/lib/units.ts';

/** How a written value becomes a number in templates and in CEL, and what bounds it. */
interface Bounds {
  unit: 'ratio' | 'percent' | 'ms' | 'bytes';
  min: number;
  max: number;
}

const PATTERNS = {
  ratio: ratio(0, 1).json.pattern,
  percent: percentage('0%', '1%').json.pattern,
  ms: duration('0s', '1s').json.pattern,
  bytes: quantity('1Mi').json.pattern,
};
/** What CEL converts without ever failing: a failing expression would leave the pod without its guard. */
const CONVERTIBLE = {
  ratio: String.raw`^(\d{1,9}(\.\d{0,15})?|\.\d{1,15})([eE][-+]?\d{1,2})?$`,
  percent: String.raw`^\d{1,9}(\.\d{1,15})?\s*%$`,
  ms: String.raw`^(\d{1,9}(\.\d{1,9})?ms|\d{1,7}(\.\d{1,9})?s|\d{1,5}(\.\d{1,9})?[mh]){1,4}$`,
  bytes: String.raw`^\d{1,16}(\.\d{1,9})?([eE]\d{1,2})?\s*(Ki|Mi|Gi|Ti|Pi|k|K|M|G|T|P)?$`,
};
const NUMBER = {
  ratio: 'double(v)',
  percent: 'double(v.replace("%", "").trim())',
  bytes: `double(v.find("^[0-9.]+([eE][0-9]+)?")) * {"Ki": 1024.0, "Mi": 1048576.0, "Gi": 1073741824.0, "Ti": 1099511627776.0, "Pi": 1125899906842624.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "": 1.0}[v.find("[A-Za-z]*$")]`,
};

/** The options that `guardian.*` and annotations may set, in the order of the table. */
export const CHART_OPTIONS = OPTION_LIST.map(([key]) => key).filter((key) =>
  ANNOTATION_OPTIONS.flags.has(flagOf(key).slice(2)),
);

/** The options as the templates read them, and what injection goes by: `files/options.json`. */
export function optionsFile(): string {
  const options = CHART_OPTIONS.map((key) => {
    const { type, default: value } = OPTIONS[key];
    const written = value === undefined ? null : String(type.render(value as never));
    const bounds = boundsOf(key);
    return {
      key,
      flag: flagOf(key).slice(2),
      env: envOf(key),
      default: written,
      valid: validityOf(key, bounds),
      ...bounds,
    };
  });
  const orderings = ORDERINGS.map(([low, sign, high]) => ({
    low,
    sign,
    high,
    convert: boundsOf(low)?.unit === 'ms' ? 'duration' : 'double',
  }));
  const injection = {
    proxies: [...PROXIES],
    inits: INITS,
    killsOne: KILLS_ONE.source,
    obstacles: celOf(OBSTACLES),
    warnings: celOf(WARNINGS),
    hookObstacles: celOf(HOOK_OBSTACLES),
    nodeCommand: NODE_COMMAND.source,
    hookDir: HOOK_DIR,
    hookArg: HOOK_ARG,
    hookRequire: HOOK_REQUIRE,
    gateExempt: GATE_EXEMPT,
    probePath: PROBE_PATH.source,
    istioProbers: ISTIO_PROBERS,
    istioProber: ISTIO_PROBER.source,
    cpuLimit: CPU_LIMIT,
    recordDir: RECORD_DIR,
    systemDir: SYSTEM_DIR,
  };
  return `${JSON.stringify({ options, orderings, injection }, null, 2)}\n`;
}

/** From the range in words, which is what users read. */
function boundsOf(key: OptionKey): Bounds | undefined {
  const { json, range = '' } = OPTIONS[key].type;
  const [low = '', high = ''] = range.replace('at least ', '').split(' to ');
  switch (json.pattern) {
    case PATTERNS.ratio:
      return { unit: 'ratio', min: Number(low), max: Number(high) };
    case PATTERNS.percent:
      return { unit: 'percent', min: Number.parseFloat(low), max: Number.parseFloat(high) };
    case PATTERNS.ms:
      return { unit: 'ms', min: parseDuration(low) ?? 0, max: parseDuration(high) ?? 0 };
    case PATTERNS.bytes:
      return { unit: 'bytes', min: parseQuantity(low) ?? 0, max: Number.MAX_SAFE_INTEGER };
    default:
      return undefined;
  }
}

/** A CEL expression that is true where the trimmed text `v` is a value of the option. */
function validityOf(key: OptionKey, bounds: Bounds | undefined): string {
  const { json } = OPTIONS[key].type;
  if (json.enum) return `v in ${JSON.stringify(json.enum)}`;
  if (json.pattern === httpUrl.json.pattern) return 'v.matches("^https?://") && isURL(v)';
  if (json.pattern === httpPaths.json.pattern) return `v.matches(${JSON.stringify(json.pattern)})`;
  if (json.pattern === loopbackUrl.json.pattern)
    return `v.matches(${JSON.stringify(json.pattern)}) && isURL(v)`;
  if (key === 'recordDir')
    return `v.size() <= ${MAX_RECORD_DIR} && v.matches(${JSON.stringify(RECORD_DIR)}) && !v.matches(${JSON.stringify(SYSTEM_DIR)})`;
  if (json.pattern === path.json.pattern) return 'v != ""';
  if (bounds === undefined) throw new Error(`${key}: say how the policy checks a value of this type`);
  const { unit, min, max } = bounds;
  const pattern = `v.matches(${JSON.stringify(CONVERTIBLE[unit])})`;
  if (unit === 'ms')
    return `${pattern} && duration(v) >= duration("${min}ms") && duration(v) <= duration("${max}ms")`;
  return `${pattern} && ${NUMBER[unit]} >= ${double(min)} && ${NUMBER[unit]} <= ${double(max)}`;
}

function double(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
