#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { Command, CommanderError } from 'commander';
import { strayArguments } from './config/flags.ts';
import type { OptionCommand } from './config/option.ts';
import { flagOf } from './config/option.ts';
import type { Config } from './config/options.ts';
import { OPTION_LIST } from './config/options.ts';
import { helpText } from './config/render.ts';
import { type Resolved, resolveConfig } from './config/resolve.ts';
import { SIDECAR_OPTIONS } from './config/sidecar-options.ts';
import { messageOf, SpillwayError } from './core/lib/errors.ts';

/** Set by the build. */
const VERSION = process.env['SPILLWAY_VERSION'] ?? '0.0.0-source';
/** Exit statuses of Spillway itself; a wrapped command's status is passed through. */
const USAGE_ERROR = 2;
/** As `env` and container runtimes do: the wrapper failed before the command was started. */
const WRAPPER_FAILED = 125;

const program = new Command('spillway')
  .description('Memory-pressure guardian for LLM agents: forecasts the OOM kill and acts first')
  .version(VERSION)
  .exitOverride()
  .showHelpAfterError('(add --help for usage)')
  .enablePositionalOptions();

function command(name: OptionCommand, description: string): Command {
  const made = program.command(name).description(description);
  for (const [key, option] of OPTION_LIST)
    if (option.commands.includes(name)) made.option(`${flagOf(key)} <${option.placeholder}>`, helpText(key));
  // an unknown argument is reported with all other problems, not alone and first
  return made
    .option('--config <file>', 'Options from a YAML or JSON file')
    .allowUnknownOption()
    .allowExcessArguments();
}

/** @throws SpillwayError `config`, which lists all that is wrong with command line, environment and file */
function configOf(flags: Record<string, unknown>, self: Command): Promise<Resolved> {
  const takesValue = new Map(self.options.map(({ long, required }) => [long ?? '', required]));
  const { stray, values } = strayArguments(process.argv.slice(3), takesValue, self.name() === 'run');
  for (const option of self.options) flags[option.attributeName()] ??= values[option.long ?? ''];
  return resolveConfig({ flags, env: process.env, file: flags['config'] as string | undefined, stray });
}

command('guard', 'Guards the agent in another container of this pod').action(async (flags, self: Command) => {
  const { config } = await configOf(flags, self);
  surviveErrors();
  stayLean();
  await finish(guard(config));
});

command('run', 'Starts a command, guards it and exits with its status')
  .usage('[options] -- <command...>')
  .argument('<command...>', 'The command with its arguments, after --')
  .showHelpAfterError('usage: spillway run [options] -- COMMAND…  (add --help for the options)')
  .passThroughOptions()
  .action(async (commandLine: string[], flags, self: Command) => {
    const { config } = await configOf(flags, self);
    surviveErrors();
    stayLean();
    const { runCommand } = await import('./commands/run.ts');
    await finish(
      runCommand(config, VERSION, commandLine, { env: process.env, signals: process, argv: process.argv }),
      WRAPPER_FAILED,
    );
  });

command('doctor', 'Checks what works here, with a hint for each check that fails')
  .option('--json', 'Print JSON')
  .action(async (flags, self: Command) => {
    const { config } = await configOf(flags, self);
    const { doctorCommand } = await import('./commands/doctor.ts');
    process.exitCode = await doctorCommand(config, { json: flags.json === true, env: process.env }, write);
  });

command('config', "Prints the merged configuration with each value's origin")
  .option('--schema', 'Print the JSON schema of the configuration file')
  .option('--json', 'Print JSON')
  .action(async (flags, self: Command) => {
    const { configCommand } = await import('./commands/config.ts');
    // the schema is wanted most by those whose configuration is broken
    const resolved = flags.schema === true ? await resolveConfig({}) : await configOf(flags, self);
    await configCommand(resolved, { schema: flags.schema === true, json: flags.json === true }, write);
  });

const injecting = program
  .command('inject')
  .description('Writes Kubernetes manifests with the sidecar in every workload')
  .option('-f, --file <file>', 'Manifest to read, - for standard input; may be repeated', listed, [])
  .option('--sidecar <file>', "The sidecar's configuration: image, resources, options")
  .option('--image <image>', "The sidecar's image")
  .option('--classic', 'As an ordinary container: for Kubernetes before 1.29')
  .option('--uninject', 'Remove the sidecar');
for (const [key, { placeholder }] of SIDECAR_OPTIONS)
  injecting.option(`${flagOf(key)} <${placeholder}>`, helpText(key));
injecting.action(async (flags) => {
  const { injectCommand } = await import('./commands/inject.ts');
  const { file: files, ...others } = flags;
  if (files.length === 0) injecting.error('nothing to read: give -f FILE, or -f - for standard input');
  const options = SIDECAR_OPTIONS.flatMap(([key]) => (key in flags ? [[key, flags[key]]] : []));
  const warn = (line: string) => void process.stderr.write(`${line}\n`);
  const io = { stdin: process.stdin, write, warn };
  await injectCommand({ ...others, files, options: Object.fromEntries(options) }, VERSION, io);
});

program
  .command('injector')
  .description('Serves the admission webhook that adds the sidecar to pods')
  .option('--listen <address>', 'Address of the webhook (HTTPS)', '[::]:8443')
  .option('--sidecar <file>', "The sidecar's configuration; reloaded when it changes")
  .option('--cert-dir <directory>', 'Directory with tls.crt and tls.key; reloaded when they change')
  .option('--secret <name>', 'Secret for a self-signed certificate')
  .option('--webhook-configuration <name>', 'MutatingWebhookConfiguration that gets the CA')
  .option('--service <name>', 'Name of the Service for the certificate: NAME.NAMESPACE.svc')
  .option('--log-level <level>', 'Lowest severity of log lines', 'info')
  .option('--log-format <format>', 'Format of the log lines: json, pretty')
  .action(async (flags) => {
    const { resolveInjectorOptions } = await import('./config/injector-options.ts');
    const options = await resolveInjectorOptions(flags, process.env);
    surviveErrors();
    const { injectorCommand } = await import('./commands/injector.ts');
    await finish(injectorCommand(options, VERSION, endSignal()));
  });

function listed(file: string, files: string[]): string[] {
  return [...files, file];
}

async function guard(config: Config): Promise<number> {
  const { guardCommand } = await import('./commands/guard.ts');
  return guardCommand(config, VERSION, endSignal());
}

/** The signal that asks for the end. */
function endSignal(): Promise<string> {
  // without a listener SIGUSR1 would open the guardian's own inspector, and SIGHUP end it
  for (const name of ['SIGUSR1', 'SIGHUP'] as const) process.on(name, () => {});
  return new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => resolve(name));
  });
}

/** A guardian that dies of a bug makes a healthy agent un-ready: it says what happened and goes on. */
function surviveErrors(): void {
  const report = (error: unknown) =>
    void process.stderr.write(
      `${JSON.stringify({ level: 'error', name: 'spillway', msg: `unexpected: ${messageOf(error)}`, stack: error instanceof Error ? error.stack : undefined })}\n`,
    );
  process.on('uncaughtException', report);
  process.on('unhandledRejection', report);
}

/**
 * A flood of requests must not make the guardian outgrow a sidecar's limit: the young generation keeps the size it
 * starts with, the old one grows little at a time. Both flags are looked at while running. RSS after 9 s of flood:
 * +8 MiB instead of +58 on Node 20, +10 instead of +72 on 22, +19 instead of +46 on 24.
 */
function stayLean(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--optimize-for-size');
}

/** Ends the process with the status of a long-running command; what is still open must not keep it alive. */
async function finish(status: Promise<number>, onFailure = 1): Promise<never> {
  try {
    process.exit(await status);
  } catch (error) {
    explain(error);
    process.exit(onFailure);
  }
}

function write(text: string): void {
  process.stdout.write(text);
}

function explain(error: unknown): void {
  const { message, hint } = SpillwayError.from(error);
  process.stderr.write(`spillway: ${message}${hint === undefined ? '' : `\n  ${hint}`}\n`);
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : USAGE_ERROR;
  else {
    explain(error);
    process.exitCode = SpillwayError.from(error).code === 'config' ? USAGE_ERROR : 1;
  }
}
