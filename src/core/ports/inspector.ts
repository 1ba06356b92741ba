/** One connection to a runtime that speaks the Chrome DevTools protocol. */
export interface InspectorSession {
  /**
   * @param timeoutMs default 2000
   * @throws SpillwayError `timeout` when no answer comes, `refused` when the connection is lost or the answer is an error
   */
  send<T = Record<string, unknown>>(method: string, params?: object, timeoutMs?: number): Promise<T>;
  /** Follows an event of the protocol; returns how to end it. */
  on<T = Record<string, unknown>>(event: string, listener: (params: T) => void): () => void;
  readonly open: boolean;
  /** Stops and lets the peer's messages come again: for a stream that is written more slowly than it comes. */
  pause(): void;
  resume(): void;
  /** Sends what was asked for, then closes; resolves when closed, after half a second at the latest. */
  close(): Promise<void>;
}

/**
 * Opens a connection.
 * @param url `ws://127.0.0.1:9229/<uuid>`
 * @throws SpillwayError
 */
export type ConnectInspector = (url: string, timeoutMs: number) => Promise<InspectorSession>;
