/** What Node's flags say of its inspector. */
export interface InspectFlags {
  host: string;
  /** Default 9229; 0 means any free one. */
  port: number;
  /** Whether it listens from the start on: `--inspect`, `--inspect-brk`, `--inspect-wait`. */
  atStart: boolean;
}

/**
 * Flags by which a signal means something else to Node than "open the inspector", or nothing: a heap snapshot near the limit
 * kills the agent, a report holds it up.
 */
const TAKES_SIGNALS =
  /^--(?:heapsnapshot-signal|report-signal|report-on-signal|disable-sigusr1|permission|experimental-permission)(?:[^\w-]|$)/;

/** Flags whose value may be the next argument; what follows the first other argument belongs to the program. */
const VALUED =
  /^(?:-r|-C|--(?:require|import|loader|experimental-loader|conditions|env-file|env-file-if-exists|experimental-config-file|inspect-port|debug-port|title|icu-data-dir))$/;
const OPENS = /^--inspect(?:-brk|-wait)?(?:=(.*))?$/;
const PORT = /^--(?:inspect|debug)-port(?:=(.*))?$/;

/** One address serves them all: each flag overrides those before it, the command line overrides `NODE_OPTIONS`. */
export function inspectFlags(args: readonly string[], nodeOptions: string): InspectFlags {
  const flags: InspectFlags = { host: '127.0.0.1', port: 9229, atStart: false };
  for (const list of [wordsOf(nodeOptions), args.slice(1)]) {
    for (let i = 0; i < list.length; i++) {
      const flag = list[i] ?? '';
      if (!flag.startsWith('-') || flag === '--') break;
      const opens = OPENS.exec(flag);
      const port = PORT.exec(flag);
      if (opens) flags.atStart = true;
      setAddress(flags, opens?.[1] ?? port?.[1] ?? (port ? list[i + 1] : undefined));
      if (VALUED.test(flag)) i++;
    }
  }
  return flags;
}

/** A flag that gives signals another meaning, wherever in these words it stands: for wrappers, too (`npm`, `sh -c`, `env`). */
export function signalFlag(words: readonly string[]): string | undefined {
  return words
    .flatMap(wordsOf)
    .map((word) => word.replace(/^(?:export\s+)?NODE_OPTIONS=/, '').replace(/^['"]+/, ''))
    .find((word) => TAKES_SIGNALS.test(word.replaceAll('_', '-')))
    ?.replace(/[^\w-]+$/, ''); // what the shell takes for the end of a command
}

/** As Node splits `NODE_OPTIONS`: quotes hold words together. */
export function wordsOf(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word);
}

/** `9230`, `0.0.0.0`, `0.0.0.0:9230`, `[::1]:9230`. */
function setAddress(flags: InspectFlags, text: string | undefined): void {
  const [, host, port] = /^(?:(\[.+\]|[^:]*?[^\d:][^:]*):?)?(\d+)?$/.exec(text ?? '') ?? [];
  if (host !== undefined) flags.host = host.replace(/^\[|\]$/g, '');
  if (port !== undefined) flags.port = Number(port);
}
