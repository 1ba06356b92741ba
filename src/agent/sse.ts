import { SpillwayError } from '../core/lib/errors.ts';

/** One message of a stream of server-sent events. */
export interface SseMessage {
  /** `message` when the stream does not name it. */
  event: string;
  data: string;
}

/** A status takes about 1 KiB; what is this much longer is no stream of ours. In characters. */
export const MAX_MESSAGE_LENGTH = 65_536;

/**
 * Takes `text/event-stream` apart, in pieces as they come: https://html.spec.whatwg.org/multipage/server-sent-events.html.
 * Lines end with LF or CRLF; a lone CR, which the standard also allows, nobody sends.
 */
export class SseParser {
  #rest = '';
  #event = '';
  #data: string[] = [];
  #length = 0;

  /**
   * The messages that are complete with this piece of text.
   * @throws SpillwayError `malformed` when a message is longer than {@link MAX_MESSAGE_LENGTH}
   */
  push(text: string): SseMessage[] {
    const lines = (this.#rest + text).split(/\r?\n/);
    this.#rest = lines.pop() ?? '';
    const messages: SseMessage[] = [];
    for (const line of lines) {
      if (line !== '') this.#take(line);
      else {
        if (this.#data.length > 0)
          messages.push({ event: this.#event || 'message', data: this.#data.join('\n') });
        this.#event = '';
        this.#data = [];
        this.#length = 0;
      }
    }
    if (this.#length + this.#rest.length > MAX_MESSAGE_LENGTH)
      throw new SpillwayError('malformed', `a message of more than ${MAX_MESSAGE_LENGTH} characters`);
    return messages;
  }

  #take(line: string): void {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') this.#event = value;
    if (field !== 'data') return;
    this.#data.push(value);
    this.#length += value.length + 1;
  }
}
