import * as v from 'valibot';
import { type AnnotationOptions, defaultInjectConfig, type InjectConfig } from '../core/inject/config.ts';
import { recordDirProblem } from '../core/inject/record-dir.ts';
import { amountOf } from '../core/lib/units.ts';
import { flagOf } from './option.ts';
import { OPTION_LIST, OPTIONS, type OptionKey } from './options.ts';
import { ORDERINGS } from './orderings.ts';
import { hintUnknown, type Problem } from './problems.ts';
import { checkConfig } from './resolve.ts';
import { ANNOTATED_OPTIONS, SET_BY_INJECTOR, SIDECAR_OPTIONS } from './sidecar-options.ts';
import { readYamlFile } from './yaml-file.ts';

/** The options that annotations may set, and how their values are checked. */
export const ANNOTATION_OPTIONS: AnnotationOptions = {
  flags: new Set(ANNOTATED_OPTIONS.keys()),
  problems(values, configured) {
    const problems: { flag: string; message: string }[] = [];
    const read = new Map<string, unknown>(OPTION_LIST.map(([key, option]) => [key, option.default]));
    for (const [key, text] of Object.entries(configured)) {
      const result = isOption(key) ? parse(key, text) : undefined;
      if (result?.success) read.set(key, result.output);
    }
    for (const [flag, text] of Object.entries(values)) {
      const key = ANNOTATED_OPTIONS.get(flag);
      if (key === undefined) continue;
      const result = parse(key, text);
      if (result.success) read.set(key, result.output);
      else problems.push({ flag, message: result.issues[0].message });
    }
    const recordDir = values['record-dir']?.trim();
    const message = recordDir === undefined ? undefined : recordDirProblem(recordDir);
    if (message !== undefined) problems.push({ flag: 'record-dir', message });
    for (const [low, sign, high] of ORDERINGS) {
      const [a, b] = [Number(read.get(low)), Number(read.get(high))];
      if (sign === '<' ? a < b : a <= b) continue;
      const relation = sign === '<' ? 'below' : 'at most';
      const message = `${low} ${a} must be ${relation} ${high} ${b}`;
      for (const key of [low, high]) problems.push({ flag: flagOf(key).slice(2), message });
    }
    return problems;
  },
};

function parse(key: OptionKey, text: string) {
  // as from the environment, so that what is written means the same everywhere
  return v.safeParse<v.GenericSchema<unknown, unknown>>(OPTIONS[key].type.schema, text.trim());
}

function isOption(key: string): key is OptionKey {
  return Object.hasOwn(OPTIONS, key);
}

const quantity = v.pipe(
  v.union([v.string(), v.number()], 'this is not a quantity'),
  v.transform(String),
  v.regex(
    /^\d+(\.\d+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE]\d+)?$/,
    ({ input }) => `${JSON.stringify(input)} is not a quantity, such as 64Mi`,
  ),
);
const quantities = v.record(
  v.picklist(['cpu', 'memory', 'ephemeral-storage'], 'this is not cpu, memory or ephemeral-storage'),
  quantity,
  'this is not a mapping of resources',
);

const resources = v.pipe(
  v.strictObject(
    { requests: v.optional(quantities), limits: v.optional(quantities) },
    'this is not `requests` or `limits`',
  ),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { requests = {}, limits = {} } = dataset.value;
    for (const [name, request] of Object.entries(requests)) {
      const limit = limits[name as keyof typeof limits];
      if (limit !== undefined && amountOf(request) > amountOf(limit))
        addIssue({
          message: `the request of ${name}, ${request}, is above the limit ${limit}: the API would refuse every pod`,
        });
    }
  }),
);

const optionKey = v.pipe(
  v.string(),
  v.check(
    (key) => SIDECAR_OPTIONS.some(([name]) => name === key),
    ({ input }) =>
      SET_BY_INJECTOR.some((name) => name === input)
        ? 'this is set by the injector'
        : 'this is not an option of the guardian',
  ),
);
/** As an entry of a Secret, in the pod's own namespace. */
const secretKey = v.strictObject(
  {
    name: v.pipe(
      v.string('this is not text'),
      v.regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'this is not the name of a Secret'),
    ),
    key: v.pipe(
      v.string('this is not text'),
      v.regex(/^[-._a-zA-Z0-9]{1,253}$/, 'this is not the key of an entry'),
    ),
  },
  'this is not `name` and `key`',
);
const optionText = v.pipe(
  v.union([v.string(), v.number(), v.boolean()], 'this is not text'),
  v.transform(String),
);

const SCHEMA = v.strictObject(
  {
    image: v.optional(
      v.pipe(
        v.string('this is not text'),
        v.regex(
          /^[a-z0-9][\w./:@-]*$/i,
          ({ input }) => `${JSON.stringify(input)} is not the name of an image`,
        ),
      ),
    ),
    imagePullPolicy: v.optional(
      v.picklist(['Always', 'IfNotPresent', 'Never'], 'this is not Always, IfNotPresent or Never'),
    ),
    native: v.optional(v.boolean('this is not true or false')),
    events: v.optional(v.boolean('this is not true or false')),
    addNodeOptions: v.optional(v.boolean('this is not true or false')),
    options: v.optional(v.record(optionKey, optionText, 'this is not a mapping of options')),
    resources: v.optional(resources),
    webhookUrlSecret: v.optional(secretKey),
  },
  ({ expected, received }) =>
    expected === 'Object' ? 'this is not a mapping' : `${received} is not known here`,
);

/** What `spillway inject` and the webhook make sidecars by, or all that is wrong with it. */
export type InjectConfigResult =
  | { ok: true; config: InjectConfig; problems?: never }
  | { ok: false; problems: Problem[]; config?: never };

/**
 * Reads a sidecar's configuration. Never throws: what is wrong is listed, all at once.
 * @param file YAML or JSON; what it leaves out is as by default
 * @param flags options of the guardian by key, which beat those of the file
 * @param version of the default image
 */
export async function readInjectConfig(
  version: string,
  file?: string,
  flags: Readonly<Record<string, string>> = {},
): Promise<InjectConfigResult> {
  const problems: Problem[] = [];
  const read = file === undefined ? undefined : await readYamlFile(file);
  problems.push(...(read?.problems ?? []));
  // a list would pass for a mapping with the keys 0, 1, …
  const value = Array.isArray(read?.value) ? 'a list' : (read?.value ?? {});
  const result = v.safeParse(SCHEMA, value);
  for (const issue of result.issues ?? []) {
    const path = issue.path?.map(({ key }) => key as string | number) ?? [];
    problems.push({
      place: read?.place(path) ?? '',
      message: `${path.join('.') || 'the file'}: ${issue.message}`,
      hint: hintOf(path),
    });
  }
  const given: v.InferOutput<typeof SCHEMA> = result.success ? result.output : { options: readable(value) };
  const options = { ...given.options, ...flags };
  const known = Object.entries(options).filter(([key]) => isOption(key));
  const checked = await checkConfig({ flags: Object.fromEntries(known) });
  if (!checked.ok)
    for (const problem of checked.problems)
      problems.push(file === undefined ? problem : { ...problem, place: `${file} or ${problem.place}` });
  const place = file ?? '--record-dir';
  const recordDir = options['recordDir']?.trim();
  const message = recordDir === undefined ? undefined : recordDirProblem(recordDir);
  if (message !== undefined) problems.push({ place, message: `recordDir: ${message}`, hint: 'correct it' });
  if (given.webhookUrlSecret && options['webhookUrl'] !== undefined)
    problems.push({
      place: file ?? '--webhook-url',
      message: 'webhookUrlSecret and the option webhookUrl are both set',
      hint: 'remove one of them',
    });
  if (problems.length > 0) return { ok: false, problems };
  const fallback = defaultInjectConfig(version);
  return {
    ok: true,
    config: {
      image: given.image ?? fallback.image,
      imagePullPolicy: given.imagePullPolicy ?? fallback.imagePullPolicy,
      native: given.native ?? fallback.native,
      events: options['events'] !== 'off' && (given.events ?? fallback.events),
      options,
      addNodeOptions: given.addNodeOptions ?? fallback.addNodeOptions,
      resources: definite(given.resources) ?? fallback.resources,
      ...(given.webhookUrlSecret ? { webhookUrlSecret: given.webhookUrlSecret } : {}),
    },
  };
}

function definite(
  resources: v.InferOutput<typeof SCHEMA>['resources'],
): InjectConfig['resources'] | undefined {
  if (resources === undefined) return undefined;
  const { requests, limits } = resources;
  return { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) };
}

function hintOf(path: readonly (string | number)[]): string {
  const [first, second] = path.map(String);
  if (first === 'options' && second !== undefined && !isOption(second))
    return hintUnknown(
      second,
      SIDECAR_OPTIONS.map(([name]) => name),
    );
  return path.length === 1 && first !== undefined && !(first in SCHEMA.entries)
    ? hintUnknown(first, Object.keys(SCHEMA.entries))
    : 'correct it';
}

/** The options in something that is wrong elsewhere: so that they are judged, too. */
function readable(value: unknown): Record<string, string> {
  const { options } = Object(value) as { options?: unknown };
  return Object.fromEntries(
    Object.entries(Object(options) as object).flatMap(([key, given]) => {
      const text = v.safeParse(optionText, given);
      return text.success ? [[key, text.output]] : [];
    }),
  );
}
