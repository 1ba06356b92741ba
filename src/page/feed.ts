import { type Backoff, waitAfter } from '../core/lib/backoff.ts';
import type { Status } from '../core/model/status.ts';
import type { HistoryReport } from '../core/report/history-report.ts';

/** Without a word from the guardian for this long, what is shown is no longer live, in milliseconds: it speaks each second. */
export const STALE_MS = 3500;
/** Without a word for this long the connection is replaced by a new one: it may be half open. */
const SILENT_MS = 10_000;
const CHECK_MS = 1000;
const RETRY_MS: Backoff = { first: 1000, longest: 10_000 };
const ANSWER_MS = 5000;
/** A hidden tab is let go after this: browsers allow six connections to a host, and the guardian has other work. */
const HIDDEN_MS = 5000;

/** What comes in. */
export interface Listener {
  history(report: HistoryReport): void;
  /** @param atMs the guardian's time of it */
  status(status: Status, atMs: number): void;
  /** Called once a second, and when the connection changes. `heardMs`: when the guardian last sent data, browser's time. */
  beat(live: boolean, heardMs: number | null): void;
}

/**
 * Follows the guardian: `/v1/stream` says when, `/v1/status` what. Connects again by itself after every kind of end, and
 * reads the whole history anew each time, since something was missed. All addresses are relative: the page may stand behind
 * a prefix.
 * @returns `catchUp`: reads the history anew
 */
export function follow(listener: Listener): { catchUp(): Promise<void> } {
  let stream: EventSource | undefined;
  let heardMs: number | null = null;
  let openedMs = 0;
  let failures = 0;
  let retry = 0;
  let hiding = 0;
  let asking = false;
  let changes = 0;

  function open(): void {
    close();
    openedMs = Date.now();
    const mine = new EventSource('v1/stream');
    stream = mine;
    mine.addEventListener('open', () => {
      failures = 0;
      void catchUp();
    });
    mine.addEventListener('status', ({ data }) => {
      const status = parse<Status>(data);
      changes++;
      if (status) heard(status, Date.now() + offsetMs);
    });
    mine.addEventListener('reading', ({ data }) => {
      const reading = parse<{ at: string }>(data);
      if (reading) void ask(Date.parse(reading.at));
    });
    mine.addEventListener('error', () => {
      listener.beat(isLive(), heardMs);
      // an answer that is no stream ends it for good: 503 when all streams are taken, a proxy's own error page
      if (mine.readyState === EventSource.CLOSED && mine === stream) later();
    });
  }

  function close(): void {
    clearTimeout(retry);
    stream?.close();
    stream = undefined;
  }

  function later(): void {
    close();
    retry = setTimeout(open, waitAfter(RETRY_MS, ++failures));
  }

  /** How far the guardian's clock is ahead of this one. */
  let offsetMs = 0;

  function heard(status: Status, atMs: number): void {
    heardMs = Date.now();
    listener.status(status, atMs);
    listener.beat(true, heardMs);
  }

  /** The reading of the stream says that there is something new; the status says all of it. */
  async function ask(atMs: number): Promise<void> {
    offsetMs = atMs - Date.now();
    if (asking) return;
    asking = true;
    const before = changes;
    const status = await get<Status>('v1/status');
    asking = false;
    // overtaken by a change of level: what was asked for before it would take it back
    if (status && changes === before) heard(status, atMs);
  }

  async function catchUp(): Promise<void> {
    const report = await get<HistoryReport>('v1/history');
    if (report) listener.history(report);
  }

  const isLive = () =>
    heardMs !== null && Date.now() - heardMs < STALE_MS && stream?.readyState !== EventSource.CLOSED;

  function check(): void {
    listener.beat(isLive(), heardMs);
    const quietMs = Date.now() - Math.max(heardMs ?? 0, openedMs);
    if (stream && quietMs > SILENT_MS) open();
  }

  function visibility(): void {
    clearTimeout(hiding);
    if (document.hidden) {
      hiding = setTimeout(close, HIDDEN_MS);
      return;
    }
    check();
    if (!stream) open();
    else void catchUp();
  }

  document.addEventListener('visibilitychange', visibility);
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) open();
  });
  addEventListener('online', open);
  setInterval(check, CHECK_MS);
  open();
  return { catchUp };
}

async function get<T>(path: string): Promise<T | undefined> {
  try {
    const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) });
    return answer.ok ? ((await answer.json()) as T) : undefined;
  } catch {
    return undefined; // the next beat asks again, and says meanwhile that nothing is live
  }
}

function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined; // cut off by a proxy: the next message follows within a second
  }
}
