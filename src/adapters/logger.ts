import { isatty } from 'node:tty';
import { pino } from 'pino';
import type { GuardianEvent } from '../core/model/events.ts';
import { openStderr } from './stderr.ts';

/** From what severity on lines are written. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
/** `json`: one object per line; `pretty`: for people. */
export type LogFormat = 'json' | 'pretty';

/** What belongs to a message; an error under `err` is written with its stack. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The guardian's log, on standard error. Calls return at once, never throw and never wait for a reader. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** One line per event: `warn` or `info` by its type, `event` is the reason, `status` the status object. */
  event(event: GuardianEvent): void;
  /**
   * Before the end of the process: waits for what is not yet written, at most `timeoutMs`; never hangs.
   * @returns whether all was written
   */
  flush(timeoutMs: number): Promise<boolean>;
}

/** Opens the log. `pretty` loads its formatter only then: it costs memory that a sidecar does without. */
export async function createLogger({
  level,
  format,
}: {
  level: LogLevel;
  format: LogFormat;
}): Promise<Logger> {
  const render = format === 'pretty' ? await prettifier() : (line: string) => line;
  const stderr = openStderr((lines) =>
    log.warn({ dropped: lines }, `${lines} log lines were dropped: nothing reads standard error`),
  );
  const log = pino(
    {
      level,
      base: { name: 'spillway' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => stderr.write(render(line)) },
  );
  return {
    debug: (message, fields = {}) => log.debug(fields, message),
    info: (message, fields = {}) => log.info(fields, message),
    warn: (message, fields = {}) => log.warn(fields, message),
    error: (message, fields = {}) => log.error(fields, message),
    event: ({ id, reason, type, note, count, status }) =>
      log[type === 'Warning' ? 'warn' : 'info']({ event: reason, id, count, status }, note),
    flush: (timeoutMs) => stderr.flush(timeoutMs),
  };
}

async function prettifier(): Promise<(line: string) => string> {
  const { prettyFactory } = (await import('pino-pretty')).default;
  // The status object is fifty lines when spread out; the note above it says the same in one.
  const pretty = prettyFactory({
    colorize: isatty(2) && !process.env.NO_COLOR,
    ignore: 'name,id,count,status',
    translateTime: 'SYS:HH:MM:ss.l',
  });
  return (line) => pretty(withoutEscapes(line));
}

/** A line of JSON with no character that would tell a terminal to do something: each becomes U+FFFD. Ends of lines stay. */
function withoutEscapes(line: string): string {
  return line.replace(
    /(\\u00[01][\da-f]|\\[bf]|[\x7f-\x9f\u202a-\u202e\u2066-\u2069])|\\./g,
    (found, control?: string) => (control === undefined ? found : '\ufffd'),
  );
}
