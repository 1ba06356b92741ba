import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { GuardianMessage, HookState } from '../../core/model/hook-messages.ts';
import { quietly } from './quiet.ts';

export type ServerState = Pick<
  HookState,
  'inFlight' | 'waiting' | 'refused' | 'servers' | 'admittedPerSecond'
>;

/** What the hook knows of this process' servers. */
export interface Servers {
  state(): ServerState;
  /** What the guardian says: its greeting, the memory, and whether new work is admitted. */
  hear(message: GuardianMessage): void;
  /** The guardian is gone. */
  closed(): void;
}

/** Whom the servers tell. */
export interface ServerEvents {
  /** A request has begun, has ended, or waits. */
  changed(waits: boolean): void;
  /** Requests wait for memory that garbage may hold. */
  collect(): void;
}

/** A socket of a server, or anything else that is open, as `process._getActiveHandles` gives it. */
interface Handle {
  server?: unknown;
  parser?: unknown;
}

/** Counts the requests that HTTP servers answer. Reads only. */
export function startServers({ changed }: ServerEvents): Servers {
  const servers = new WeakSet<Server>();
  let seen = 0;
  let inFlight = 0;
  let requests = 0;
  subscribe('http.server.request.start', (message) =>
    quietly(() => {
      const { response, server } = message as {
        request: IncomingMessage;
        response: ServerResponse;
        server: Server;
      };
      if (!servers.has(server)) seen++;
      servers.add(server);
      inFlight++;
      requests++;
      response.once('close', () =>
        quietly(() => {
          inFlight--;
          changed(false);
        }),
      );
      changed(false);
    }),
  );
  let lastMs = 0;
  let lastRequests = 0;
  let perSecond = 0;
  return {
    state() {
      const now = process.uptime() * 1000;
      if (now - lastMs >= 1000) {
        perSecond = ((requests - lastRequests) * 1000) / (now - lastMs);
        lastMs = now;
        lastRequests = requests;
      }
      const servers = servesOtherwise() ? 0 : seen;
      return { inFlight, waiting: 0, refused: 0, servers, admittedPerSecond: perSecond };
    },
    hear() {},
    closed() {},
  };
}

/** Whether clients are connected that speak something else than HTTP/1: what they have in flight is not known. */
function servesOtherwise(): boolean {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles?(): Handle[] };
  return handles?.call(process).some(({ server, parser }) => server && !parser) ?? true;
}
