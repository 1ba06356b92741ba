import * as v from 'valibot';
import { isLoopback } from '../core/lib/address.ts';
import { readConfigFile } from './file.ts';
import { envOf, flagOf } from './option.ts';
import { type Config, OPTION_LIST, OPTIONS, type OptionKey } from './options.ts';
import { ORDERINGS } from './orderings.ts';
import { configError, hintUnknown, type Problem } from './problems.ts';

/** Where values may come from; a flag beats the environment, that beats the file, that beats the default. */
export interface ConfigSources {
  /** Values by file key, as commander's `opts()` gives them. Keys that are no option are ignored. */
  flags?: Readonly<Record<string, unknown>>;
  /** Only names that begin with `SPILLWAY_` are looked at; an empty value counts as unset. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Path of a YAML or JSON file. */
  file?: string | undefined;
  /** What was already found wrong with the command line. */
  stray?: readonly Problem[];
}

/** A valid configuration. */
export interface Resolved {
  config: Config;
  /** `default`, `flag --hold`, `environment SPILLWAY_HOLD` or `file spillway.yaml:3`. */
  origins: Record<OptionKey, string>;
}

export type ConfigResult = { ok: true; resolved: Resolved } | { ok: false; problems: Problem[] };

/** Names that Spillway sets for others (the wrapped command, the agent's library) and may meet again itself. */
export const FOREIGN_ENV: readonly string[] = ['SPILLWAY_RUN', 'SPILLWAY_URL'];

/** One value of one source. */
interface Given {
  key: OptionKey;
  value: unknown;
  place: string;
  origin: string;
}

/**
 * Reads all sources and lists everything that is wrong with them, overridden values too. Never throws.
 */
export async function checkConfig({
  flags = {},
  env = {},
  file,
  stray = [],
}: ConfigSources): Promise<ConfigResult> {
  const problems: Problem[] = [...stray];
  const fromFile = file === undefined ? [] : await readFileLayer(file, problems);
  const fromEnv = readEnvLayer(env, problems);
  const fromFlags = readFlagLayer(flags);

  const values: Record<string, unknown> = {};
  const places: Record<string, string> = {};
  const origins: Record<string, string> = {};
  const doubtful = new Set<string>();
  for (const [key, option] of OPTION_LIST) [values[key], origins[key]] = [option.default, 'default'];
  for (const { key, value, place, origin } of [...(fromFile ?? []), ...fromEnv, ...fromFlags]) {
    const { type } = OPTIONS[key];
    const result = v.safeParse<v.GenericSchema<unknown, unknown>>(type.schema, value);
    [origins[key], places[key]] = [origin, place];
    if (result.success) {
      values[key] = result.output;
      doubtful.delete(key);
    } else {
      doubtful.add(key);
      for (const { message } of result.issues)
        problems.push({ place, message: `${key}: ${message}`, hint: `write ${type.form}` });
    }
  }

  const config = values as unknown as Config;
  // What an unreadable file would have set is not known, so nothing is said about how values stand to each other.
  if (fromFile !== undefined)
    problems.push(
      ...misordered(config, places, doubtful),
      ...exposed(config, places, doubtful),
      ...twice(config, places),
    );
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, resolved: { config, origins: origins as Record<OptionKey, string> } };
}

/**
 * Reads all sources into one configuration.
 * @throws {SpillwayError} `config`, which lists every problem with its place and hint
 */
export async function resolveConfig(sources: ConfigSources): Promise<Resolved> {
  const result = await checkConfig(sources);
  if (!result.ok) throw configError(result.problems);
  return result.resolved;
}

function isOption(name: string): name is OptionKey {
  return Object.hasOwn(OPTIONS, name);
}

async function readFileLayer(path: string, problems: Problem[]): Promise<Given[] | undefined> {
  const { entries, problems: found } = await readConfigFile(path);
  problems.push(...found);
  return entries?.flatMap(({ key, value, line, keyPlace, valuePlace }) => {
    if (isOption(key)) return [{ key, value, place: valuePlace, origin: `file ${path}:${line}` }];
    const hint = hintUnknown(key, Object.keys(OPTIONS));
    problems.push({ place: keyPlace, message: `${key} is not an option`, hint });
    return [];
  });
}

const BY_ENV = new Map(OPTION_LIST.map(([key]) => [envOf(key), key]));

/** What Kubernetes sets in every pod for a Service whose name begins with `spillway`. */
function isServiceLink(name: string, value: string): boolean {
  return (
    /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/.test(name) ||
    (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value))
  );
}

function readEnvLayer(env: Readonly<Record<string, string | undefined>>, problems: Problem[]): Given[] {
  return Object.entries(env).flatMap(([name, text]) => {
    // Trimmed: a secret made from a file often ends in a line break.
    const value = text?.trim();
    if (!name.startsWith('SPILLWAY_') || !value || FOREIGN_ENV.includes(name)) return [];
    const key = BY_ENV.get(name);
    if (key !== undefined) return [{ key, value, place: name, origin: `environment ${name}` }];
    if (isServiceLink(name, value)) return [];
    const hint = hintUnknown(name, [...BY_ENV.keys()]);
    problems.push({ place: name, message: 'this is not an option', hint });
    return [];
  });
}

function readFlagLayer(flags: Readonly<Record<string, unknown>>): Given[] {
  return Object.entries(flags).flatMap(([key, value]) =>
    isOption(key) && value !== undefined
      ? [{ key, value, place: flagOf(key), origin: `flag ${flagOf(key)}` }]
      : [],
  );
}

function misordered(
  config: Config,
  places: Readonly<Record<string, string>>,
  doubtful: ReadonlySet<string>,
): Problem[] {
  return ORDERINGS.flatMap(([low, sign, high]) => {
    const holds = sign === '<' ? config[low] < config[high] : config[low] <= config[high];
    if (holds || doubtful.has(low) || doubtful.has(high)) return [];
    const [lowText, highText] = [low, high].map((key) => OPTIONS[key].type.render(config[key]));
    const given = [places[low], places[high]].filter((place) => place !== undefined);
    const source = (key: OptionKey) => (places[key] === undefined ? ' (default)' : '');
    const relation = sign === '<' ? 'below' : 'at most';
    return [
      {
        place: given.join(', '),
        message: `${low} ${lowText}${source(low)} must be ${relation} ${high} ${highText}${source(high)}`,
        hint: `lower ${low} or raise ${high}`,
      },
    ];
  });
}

/** What acts on the agent must not be open to everybody. */
function exposed(
  { adminListen, adminToken }: Config,
  places: Readonly<Record<string, string>>,
  doubtful: ReadonlySet<string>,
): Problem[] {
  if (isLoopback(adminListen.host) || adminToken !== undefined) return [];
  if (doubtful.has('adminListen') || doubtful.has('adminToken')) return [];
  return [
    {
      place: places['adminListen'] ?? flagOf('adminListen'),
      message: `adminListen ${OPTIONS.adminListen.type.render(adminListen)} is not loopback and adminToken is not set`,
      hint: `set ${envOf('adminToken')}, or listen on 127.0.0.1`,
    },
  ];
}

/** One URL cannot come from two places. */
function twice({ webhookUrl, webhookUrlFile }: Config, places: Readonly<Record<string, string>>): Problem[] {
  if (webhookUrl === undefined || webhookUrlFile === undefined) return [];
  return [
    {
      place: [places['webhookUrl'], places['webhookUrlFile']]
        .filter((place) => place !== undefined)
        .join(', '),
      message: 'webhookUrl and webhookUrlFile are both set',
      hint: 'remove one of them',
    },
  ];
}
