/** What Node's flags say of its inspector. */
export interface InspectFlags {
  host: string;
  /** Default 9229; 0 means any free one. */
  port: number;
  /** Whether it listens from the start on: `--inspect`, `--inspect-brk`, `--inspect-wait`. */
  atStart: boolean;
}

/** Flags whose value may be the next argument; what follows the first other argument belongs to the program. */
const VALUED =
  /^(?:-r|-C|--(?:require|import|loader|experimental-loader|conditions|env-file|inspect-port|debug-port|title|icu-data-dir))$/;
const OPENS = /^--inspect(?:-brk|-wait)?(?:=(.*))?$/;
const PORT = /^--(?:inspect|debug)-port(?:=(.*))?$/;

/** One address serves them all: each flag overrides those before it, the command line overrides `NODE_OPTIONS`. */
export function inspectFlags(args: readonly string[], nodeOptions: string): InspectFlags {
  const flags: InspectFlags = { host: '127.0.0.1', port: 9229, atStart: false };
  const options = [...nodeOptions.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word);
  for (const list of [options, args.slice(1)]) {
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

/** `9230`, `0.0.0.0`, `0.0.0.0:9230`, `[::1]:9230`. */
function setAddress(flags: InspectFlags, text: string | undefined): void {
  const [, host, port] = /^(?:(\[.+\]|[^:]*?[^\d:][^:]*):?)?(\d+)?$/.exec(text ?? '') ?? [];
  if (host !== undefined) flags.host = host.replace(/^\[|\]$/g, '');
  if (port !== undefined) flags.port = Number(port);
}
