import { isIPv4, isIPv6 } from 'node:net';
import * as v from 'valibot';
import { type Address, formatAddress } from '../core/lib/address.ts';
import { parseDuration, parseQuantity, renderDuration, renderQuantity } from '../core/lib/units.ts';

/** Which process to guard. */
export type AgentSelector =
  | { kind: 'auto' }
  | { kind: 'pid'; pid: number }
  | { kind: 'match'; text: string }
  | { kind: 'container'; name: string };

/** What a JSON schema says of one value: the part that the type knows. */
export interface ValueSchema {
  type: string | readonly string[];
  pattern?: string;
  enum?: readonly string[];
  minimum?: number;
  maximum?: number;
}

/** How the values of an option are read, checked, written and described. */
export interface ValueType<T> {
  /** Takes text (flag, environment) and what a file may hold; its issues say what is wrong with the value. */
  readonly schema: v.GenericSchema<unknown, T>;
  /** Completes "write …". */
  readonly form: string;
  /** Allowed values in words, where they are bounded. */
  readonly range?: string;
  /** The shape of the value in a file; a string form is held to the same pattern by the parser. */
  readonly json: ValueSchema;
  /** The form for files, flags and environment: parsing it gives the same value again. */
  render(value: T): string | number;
  /** The form for a reader's eyes, where `render` would show secrets. */
  mask?(value: T): string;
}

const RATIO = String.raw`^(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$`;
const PERCENTAGE = String.raw`^\s*\d+(\.\d+)?\s*%\s*$`;
const DURATION = String.raw`^\s*(\d+(\.\d+)?(ms|s|m|h))+\s*$`;
const QUANTITY = String.raw`^\s*\d+(\.\d+)?([eE]\d+)?\s*(Ki|Mi|Gi|Ti|Pi|k|K|M|G|T|P)?\s*$`;
const ADDRESS = String.raw`^(\[[0-9A-Fa-f:.]+(%[\w.-]+)?\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?):\d{1,5}$`;
const URL_START = '^https?://';
const LOOPBACK_URL = '^http://(localhost|127\\.[0-9]+\\.[0-9]+\\.[0-9]+|\\[::1\\])(:[0-9]+)?(/[^ ]*)?$';
const TOKEN = '^[!-~]{8,}$';
const AGENT = String.raw`^(auto|pid:[1-9]\d{0,6}|container:[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?|match:[\s\S]*\S[\s\S]*)$`;
const HTTP_PATHS = String.raw`^/[^\s,?#]*(,/[^\s,?#]*)*$`;
const PATH = String.raw`^[^\u0000]+$`;

/** A found value in few words; long texts are cut, collections only named. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value);
  if (value === null || value === undefined) return 'an empty value';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : String(value);
}

const isNot = (what: string) => (issue: v.BaseIssue<unknown>) => `${show(issue.input)} is not ${what}`;

/** Text that `parse` turns into a value; `undefined` from it is "this is not one". */
function parsed<T>(
  parse: (text: string) => T | undefined,
  message: (issue: v.BaseIssue<unknown>) => string,
): v.GenericSchema<unknown, T> {
  return v.pipe(
    v.string(message),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const value = parse(dataset.value);
      if (value !== undefined) return value;
      addIssue({ message });
      return NEVER;
    }),
  );
}

/** Bounds on a number, told in the form that the user writes. */
function within(
  schema: v.GenericSchema<unknown, number>,
  min: number,
  max: number,
  render: (value: number) => string | number,
): v.GenericSchema<unknown, number> {
  return v.pipe(
    schema,
    v.minValue(min, (issue) => `${render(issue.input)} is below the minimum of ${render(min)}`),
    v.maxValue(max, (issue) => `${render(issue.input)} is above the maximum of ${render(max)}`),
  );
}

/** A share, 0…1: a number, or its text. */
export function ratio(min: number, max: number): ValueType<number> {
  const text = parsed(
    (found) => (new RegExp(RATIO).test(found) ? Number(found) : undefined),
    isNot('a ratio'),
  );
  const number = v.pipe(v.number(), v.finite());
  return {
    schema: within(v.union([number, text], isNot('a ratio')), min, max, Number),
    form: `a number from ${min} to ${max}`,
    range: `${min} to ${max}`,
    json: { type: ['number', 'string'], pattern: RATIO, minimum: min, maximum: max },
    render: (value) => value,
  };
}

/** To the ten-thousandth of a percent, so that what is written is what is read. */
function parsePercentage(text: string): number | undefined {
  if (!new RegExp(PERCENTAGE).test(text)) return undefined;
  return Math.round(Number(text.replace('%', '')) * 1e4) / 1e6;
}

/** A share 0…1, written as a percentage. A bare number is refused: nobody can tell 0.1 from 0.1 %. */
export function percentage(min: string, max: string): ValueType<number> {
  const schema = parsed(parsePercentage, isNot('a percentage'));
  const render = (value: number) => `${Math.round(value * 1e6) / 1e4}%`;
  return {
    schema: within(schema, v.parse(schema, min), v.parse(schema, max), render),
    form: `a percentage from ${min} to ${max}, such as 10%`,
    range: `${min} to ${max}`,
    json: { type: 'string', pattern: PERCENTAGE },
    render,
  };
}

/** A time in milliseconds: text with a unit. A bare number is refused: nobody can tell seconds from milliseconds. */
export function duration(min: string, max: string): ValueType<number> {
  const schema = parsed(parseDuration, isNot('a duration'));
  return {
    schema: within(schema, v.parse(schema, min), v.parse(schema, max), renderDuration),
    form: `a time with its unit from ${min} to ${max}, such as 50ms, 1.5s or 2m`,
    range: `${min} to ${max}`,
    json: { type: 'string', pattern: DURATION },
    render: renderDuration,
  };
}

/** Whole bytes, from a Kubernetes quantity or a plain number. */
export function quantity(min: string): ValueType<number> {
  const message = isNot('a quantity of bytes');
  const text = parsed(parseQuantity, message);
  const minBytes = v.parse(text, min);
  return {
    schema: within(
      v.union([v.pipe(v.number(), v.safeInteger()), text], message),
      minBytes,
      Number.MAX_SAFE_INTEGER,
      renderQuantity,
    ),
    form: `bytes with a unit, such as 512Mi or 2G, at least ${min}`,
    range: `at least ${min}`,
    json: { type: ['integer', 'string'], pattern: QUANTITY, minimum: minBytes },
    render: renderQuantity,
  };
}

/** One of a few words. */
export function choice<const T extends string>(...words: T[]): ValueType<T> {
  const form = `one of ${words.join(', ')}`;
  return {
    schema: v.picklist(words, isNot(form)),
    form,
    range: words.map((word) => `\`${word}\``).join(', '),
    json: { type: 'string', enum: words },
    render: (value) => value,
  };
}

function parseAddress(text: string): Address | undefined {
  const at = text.lastIndexOf(':');
  const host = text.slice(0, at);
  const port = Number(text.slice(at + 1));
  if (!new RegExp(ADDRESS).test(text) || port > 65_535) return undefined;
  if (host.startsWith('[')) return isIPv6(host.slice(1, -1)) ? { host: host.slice(1, -1), port } : undefined;
  return /^[\d.]+$/.test(host) && !isIPv4(host) ? undefined : { host, port };
}

/** Where to listen; port 0 takes a free one. */
export const address: ValueType<Address> = {
  schema: parsed(parseAddress, isNot('an address')),
  form: 'host:port, such as 0.0.0.0:9797 or "[::]:9797"',
  json: { type: 'string', pattern: ADDRESS },
  render: formatAddress,
};

/** Hides what may be a secret in a URL: user, password, query values, fragment, and long path segments (tokens). */
function maskUrl(text: string): string {
  const url = new URL(text);
  const user = url.username || url.password ? '***@' : '';
  const path = url.pathname.replace(/[^/]{16,}/g, '***');
  const names = [...new Set(url.searchParams.keys())].map((name) => `${encodeURIComponent(name)}=***`);
  return `${url.protocol}//${user}${url.host}${path}${names.length > 0 ? `?${names.join('&')}` : ''}`;
}

/** An http or https URL, normalised. Messages never show the value: it may hold credentials. */
export const httpUrl: ValueType<string> = {
  schema: parsed(
    (text) => (new RegExp(URL_START).test(text) && URL.canParse(text) ? new URL(text).href : undefined),
    () => 'the value is not an http or https URL',
  ),
  form: 'a URL, such as https://alerts.example/spillway',
  json: { type: 'string', pattern: URL_START },
  render: (value) => value,
  mask: maskUrl,
};

/** Of a program in the same pod, or on the same machine: what it gets is nobody else's business. */
export const loopbackUrl: ValueType<string> = {
  schema: parsed(
    (text) => (new RegExp(LOOPBACK_URL).test(text) && URL.canParse(text) ? new URL(text).href : undefined),
    () => 'the value is not an http URL on loopback',
  ),
  form: 'an http URL on loopback, such as http://127.0.0.1:8080/save',
  json: { type: 'string', pattern: LOOPBACK_URL },
  render: (value) => value,
};

/** A secret that fits into a header. Messages never show the value. */
export const token: ValueType<string> = {
  schema: parsed(
    (text) => (new RegExp(TOKEN).test(text) ? text : undefined),
    () => 'the value is not a token',
  ),
  form: 'at least 8 letters, digits or signs of ASCII, without spaces',
  json: { type: 'string', pattern: TOKEN },
  render: (value) => value,
  mask: () => '***',
};

function parseAgent(text: string): AgentSelector | undefined {
  if (!new RegExp(AGENT).test(text)) return undefined;
  const value = text.slice(text.indexOf(':') + 1);
  if (text.startsWith('pid:')) return { kind: 'pid', pid: Number(value) };
  if (text.startsWith('container:')) return { kind: 'container', name: value };
  return text.startsWith('match:') ? { kind: 'match', text: value } : { kind: 'auto' };
}

function renderAgent(agent: AgentSelector): string {
  if (agent.kind === 'pid') return `pid:${agent.pid}`;
  if (agent.kind === 'container') return `container:${agent.name}`;
  return agent.kind === 'match' ? `match:${agent.text}` : 'auto';
}

/** `auto`, `pid:N`, `container:NAME` or `match:TEXT`. */
export const agentSelector: ValueType<AgentSelector> = {
  schema: parsed(parseAgent, isNot('an agent selector')),
  form: 'auto, pid:N, container:NAME, or match:TEXT with text from the command line of the agent',
  json: { type: 'string', pattern: AGENT },
  render: renderAgent,
};

/** Paths of requests, without a query. */
export const httpPaths: ValueType<readonly string[]> = {
  schema: parsed(
    (text) => (new RegExp(HTTP_PATHS).test(text) ? text.split(',') : undefined),
    isNot('a list of paths'),
  ),
  form: 'paths without a query, separated by commas, such as /status,/internal/health',
  json: { type: 'string', pattern: HTTP_PATHS },
  render: (paths) => paths.join(','),
};

/** A path of the file system, as given. */
export const path: ValueType<string> = {
  schema: parsed((text) => (new RegExp(PATH).test(text) ? text : undefined), isNot('a path')),
  form: 'a path, such as /var/lib/spillway',
  json: { type: 'string', pattern: PATH },
  render: (value) => value,
};
