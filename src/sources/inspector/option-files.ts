import { lstatSync, readlinkSync } from 'node:fs';
import { errnoOf, SpillwayError } from '../../core/lib/errors.ts';
import { clean } from '../../core/lib/text.ts';
import { readAgentFile } from '../agent-file.ts';
import { argsOf } from '../process-table.ts';
import { signalFlag } from './flags.ts';

/** A file that Node's own flags name, from which it takes options that neither its command line nor its environment shows. */
export interface OptionFile {
  /** As it is given: from the working directory where it is not absolute. */
  path: string;
  /** Node starts without it, too. */
  optional: boolean;
  kind: 'environment' | 'configuration';
}

const OPTION_FILE =
  /^--(env-file-if-exists|env-file|experimental-config-file|experimental-default-config-file)(?:=(.*))?$/;
const DEFAULT_CONFIG_FILE = 'node.config.json';

/** The files of options that are named: Node takes those of `--env-file` behind its program, too. */
export function optionFiles(args: readonly string[]): OptionFile[] {
  const files: OptionFile[] = [];
  for (let i = 1; i < args.length; i++) {
    const flag = args[i] ?? '';
    if (flag === '--') break;
    const [, name, value] = OPTION_FILE.exec(flag) ?? [];
    if (name === undefined) continue;
    const kind = name.startsWith('env') ? 'environment' : 'configuration';
    if (name === 'experimental-default-config-file')
      files.push({ path: DEFAULT_CONFIG_FILE, optional: true, kind });
    else files.push({ path: value ?? args[++i] ?? '', optional: name.endsWith('if-exists'), kind });
  }
  return files;
}

const NODE_OPTIONS =
  /^[ \t]*(?:export[ \t]+)?NODE_OPTIONS[ \t]*=[ \t]*(?:"([^"]*)"|'([^']*)'|`([^`]*)`|(.*))/gm;

/**
 * A flag that gives signals another meaning, in a file of options: in `NODE_OPTIONS` of an env file, among the options of a configuration.
 * @throws SyntaxError for a configuration that is no JSON
 */
export function signalFlagIn(text: string, kind: OptionFile['kind']): string | undefined {
  if (kind === 'environment') {
    const values = [...text.matchAll(NODE_OPTIONS)].map(([, ...quoted]) =>
      quoted.find((each) => each !== undefined),
    );
    return signalFlag(values.map((value) => value ?? ''));
  }
  const { nodeOptions, ...rest } = Object(JSON.parse(text)) as Record<string, object | boolean | undefined>;
  const set = Object.entries({ ...rest, ...Object(nodeOptions) }).filter(([, value]) => value !== false);
  return signalFlag(set.map(([name]) => `--${name}`));
}

/** As many links as the kernel follows. */
const MOST_LINKS = 40;

/**
 * Where a path leads within another root, its links followed there: those of ConfigMaps are relative, `/var/run` is not.
 * @throws a system error for what is not there
 */
function pathIn(root: string, path: string): string {
  let parts = path.split('/');
  const at: string[] = [];
  for (let links = 0; parts.length > 0; ) {
    const [part = '', ...rest] = parts;
    parts = rest;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      at.pop();
      continue;
    }
    const here = [root, ...at, part].join('/');
    if (!lstatSync(here).isSymbolicLink()) {
      at.push(part);
      continue;
    }
    if (++links > MOST_LINKS) throw new Error(`${path}: too many links`);
    const target = readlinkSync(here);
    if (target.startsWith('/')) at.length = 0;
    parts = [...target.split('/'), ...parts];
  }
  return [root, ...at].join('/');
}

/** More than any file of options holds. */
const MOST_OPTION_BYTES = 256 * 1024;

/** Node takes options from files, too, of which its environment shows nothing. */
export function optionFileObstacle(procRoot: string, pid: number): SpillwayError | undefined {
  for (const { path, optional, kind } of optionFiles(argsOf(procRoot, pid))) {
    const hint = 'start the agent with --inspect';
    try {
      const seen = pathIn(
        `${procRoot}/${pid}/root`,
        path.startsWith('/') ? path : `${readlinkSync(`${procRoot}/${pid}/cwd`)}/${path}`,
      );
      const text = readAgentFile(seen, MOST_OPTION_BYTES)?.toString('utf8');
      const flag = text === undefined ? 'more than can be read' : signalFlagIn(text, kind);
      if (flag === undefined) continue;
      const what = `process ${pid} was started with ${clean(path)}, which holds ${clean(flag)}`;
      return new SpillwayError('refused', `${what}: it may handle SIGUSR1 otherwise`, { hint });
    } catch (cause) {
      if (optional && errnoOf(cause) === 'ENOENT') continue;
      const what = `process ${pid} was started with ${clean(path)}, which cannot be read`;
      return new SpillwayError('refused', `${what}: its reaction to SIGUSR1 is unknown`, {
        hint,
        cause,
      });
    }
  }
  return undefined;
}
