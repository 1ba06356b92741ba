import { subscribe } from 'node:diagnostics_channel';
import type { GuardianMessage } from '../../core/model/hook-messages.ts';
import { Channel } from './channel.ts';
import { quietly } from './quiet.ts';
import { type Accepted, Servers } from './servers.ts';
import type { Heard } from './shared.ts';
import { StateReporter } from './state.ts';
import { Tunnel } from './tunnel.ts';

/**
 * This process is the agent, or serves: connects to its guardian, and does what that asks for.
 * @param first the connection that woke the hook, if one did
 * @param tell gets what the guardian says of the memory
 */
export function connect(directory: string, first: Accepted | undefined, tell: (heard: Heard) => void): void {
  const servers = new Servers((waits) => {
    if (channel.open) state.changed(waits);
  });
  const look = () => ({ ...servers.state(), sigterm: process.listenerCount('SIGTERM') > 0 });
  const state = new StateReporter(
    look,
    () => servers.endsInMs,
    (message) => channel.send(message),
  );
  const tunnel = new Tunnel((message) => channel.send({ type: 'cdp', message }));
  const hear = (message: GuardianMessage) => {
    if (message.type === 'hello' || message.type === 'ask') state.tell();
    else if (message.type === 'cdp-open') tunnel.open();
    else if (message.type === 'cdp-close') tunnel.close();
    else if (message.type === 'cdp') tunnel.post(message.message);
    else if (message.type === 'memory') tell({ memory: message });
  };
  const channel = new Channel(directory, {
    busy: () => tunnel.isOpen,
    message(message) {
      servers.hear(message);
      hear(message);
    },
    closed() {
      servers.closed();
      tunnel.close();
      tell({ memory: undefined });
    },
  });
  // one that cannot be changed goes without the gate
  if (first) quietly(() => servers.connected(first));
  subscribe('net.server.socket', (message) => quietly(() => servers.connected(socketOf(message))));
  channel.connect();
}

/** The connection that a message of the channel `net.server.socket` is about. */
function socketOf(message: unknown): Accepted {
  return (message as { socket: Accepted }).socket;
}
