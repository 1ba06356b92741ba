import { isatty } from 'node:tty';
import * as v from 'valibot';
import type { Address } from '../core/lib/address.ts';
import { readTextFile } from './file.ts';
import { OPTIONS } from './options.ts';
import { configError, type Problem } from './problems.ts';
import type { ValueType } from './types.ts';

/** The token, authority and namespace that Kubernetes mounts. */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** What names an object; the Service's has dots. */
const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** The flags of `spillway injector` by key, as commander's `opts()` gives them. */
export type InjectorFlags = Readonly<Record<string, string | undefined>>;

interface ApiServer {
  host: string;
  port: number;
  caFile: string;
  tokenFile: string;
}

export interface ResolvedInjector {
  listen: Address;
  sidecar: string | undefined;
  certificate:
    | { directory: string }
    | {
        namespace: string;
        secret: string;
        configuration: string;
        service: string;
        apiServer: ApiServer;
      };
  /** Where there is one to ask what namespaces have room for. */
  apiServer: ApiServer | undefined;
  logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  logFormat: 'json' | 'pretty';
}

/**
 * Checks the flags of `spillway injector`, and where it runs.
 * @throws SpillwayError `config`, which lists all that is wrong
 */
export async function resolveInjectorOptions(
  flags: InjectorFlags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ResolvedInjector> {
  const problems: Problem[] = [];
  const value = <T>(type: ValueType<T>, flag: string, text: string, otherwise: T): T => {
    const result = v.safeParse(type.schema, text);
    if (result.success) return result.output;
    problems.push({ place: flag, message: result.issues[0].message, hint: `write ${type.form}` });
    return otherwise;
  };
  const format = flags['logFormat'];
  const resolved: ResolvedInjector = {
    listen: value(OPTIONS.listen.type, '--listen', flags['listen'] ?? '', OPTIONS.listen.default),
    sidecar: flags['sidecar'],
    certificate: await certificateOf(flags, env, problems),
    apiServer: env['KUBERNETES_SERVICE_HOST'] ? apiServerOf(env) : undefined,
    logLevel: value(OPTIONS.logLevel.type, '--log-level', flags['logLevel'] ?? 'info', 'info'),
    logFormat:
      format === undefined
        ? isatty(2)
          ? 'pretty'
          : 'json'
        : value(OPTIONS.logFormat.type as ValueType<'json' | 'pretty'>, '--log-format', format, 'json'),
  };
  if (problems.length > 0) throw configError(problems);
  return resolved;
}

async function certificateOf(
  flags: InjectorFlags,
  env: Readonly<Record<string, string | undefined>>,
  problems: Problem[],
): Promise<ResolvedInjector['certificate']> {
  const own = {
    '--secret': flags['secret'],
    '--webhook-configuration': flags['webhookConfiguration'],
    '--service': flags['service'],
  };
  const directory = flags['certDir'];
  if (directory !== undefined) {
    for (const [place, name] of Object.entries(own))
      if (name !== undefined)
        problems.push({
          place,
          message: 'applies to a self-signed certificate only',
          hint: 'remove this or --cert-dir',
        });
    return { directory };
  }
  for (const [place, name] of Object.entries(own)) {
    if (name === undefined)
      problems.push({ place, message: 'is missing', hint: 'give it, or --cert-dir with a certificate' });
    else if (!NAME.test(name))
      problems.push({
        place,
        message: `${JSON.stringify(name)} is not the name of an object`,
        hint: 'write lower-case letters, digits, - and .',
      });
  }
  if (!env['KUBERNETES_SERVICE_HOST'])
    problems.push({
      place: 'KUBERNETES_SERVICE_HOST',
      message: 'is not set: there is no API server',
      hint: 'run it in a cluster, or give --cert-dir',
    });
  const namespace = env['POD_NAMESPACE'] || (await readTextFile(`${ACCOUNT}/namespace`)).text?.trim();
  if (!namespace)
    problems.push({ place: 'POD_NAMESPACE', message: 'is not set', hint: 'set it from the downward API' });
  return {
    namespace: namespace ?? '',
    secret: flags['secret'] ?? '',
    configuration: flags['webhookConfiguration'] ?? '',
    service: flags['service'] ?? '',
    apiServer: apiServerOf(env),
  };
}

function apiServerOf(env: Readonly<Record<string, string | undefined>>): ApiServer {
  return {
    host: env['KUBERNETES_SERVICE_HOST'] ?? '',
    port: Number(env['KUBERNETES_SERVICE_PORT_HTTPS'] ?? env['KUBERNETES_SERVICE_PORT'] ?? 443),
    caFile: `${ACCOUNT}/ca.crt`,
    tokenFile: `${ACCOUNT}/token`,
  };
}
