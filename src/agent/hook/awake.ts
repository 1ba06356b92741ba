import type { GuardianMessage } from '../../core/model/hook-messages.ts';
import { Channel } from './channel.ts';
import { startServers } from './in-flight.ts';
import type { Heard } from './shared.ts';
import { StateReporter } from './state.ts';
import { Tunnel } from './tunnel.ts';

/**
 * This process is the agent, or serves: connects to its guardian, and does what that asks for.
 * @param tell gets what the guardian says of the memory
 */
export function connect(directory: string, tell: (heard: Heard) => void): void {
  const servers = startServers({
    changed(waits) {
      if (channel.open) state.changed(waits);
    },
    collect: () => channel.send({ type: 'collect' }),
  });
  const look = () => ({ ...servers.state(), sigterm: process.listenerCount('SIGTERM') > 0 });
  const state = new StateReporter(look, (message) => channel.send(message));
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
  channel.connect();
}
