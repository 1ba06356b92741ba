import type * as Inspector from 'node:inspector';
import { messageOf } from '../../core/lib/errors.ts';
import type { CdpMessage } from '../../core/model/hook-messages.ts';
import { builtin, every, quietly, type Waiting } from './quiet.ts';

/** What a guardian may ask for. */
const ALLOWED = /^(?:HeapProfiler|Runtime|NodeWorker)\.\w+$/;
/** As often as the guardian does it over an inspector that it has opened. */
const FORGET_EVERY_MS = 250;

/** A session of the inspector within this process: no port, and nobody else gets in. It exists from `open` to `close`. */
export class Tunnel {
  readonly #send: (message: CdpMessage) => void;
  #session: Inspector.Session | undefined;
  #inspector: typeof Inspector | undefined;
  #forget: Waiting | undefined;

  constructor(send: (message: CdpMessage) => void) {
    this.#send = send;
  }

  get isOpen(): boolean {
    return this.#session !== undefined;
  }

  open(): void {
    if (this.#session) return;
    this.#inspector = builtin<typeof Inspector>('node:inspector');
    const session = new this.#inspector.Session();
    session.on('inspectorNotification', (message) =>
      quietly(() => {
        if (this.#session === session) this.#send(message as unknown as CdpMessage);
      }),
    );
    session.connect();
    this.#session = session;
    this.#forget = every(FORGET_EVERY_MS, () => this.#forgetLogged());
  }

  /** A command; its answer is sent, also where it is refused. */
  post({ id, method = '', params = {} }: CdpMessage): void {
    const session = this.#session;
    const answer = (message: string) =>
      this.#send({ ...(id === undefined ? {} : { id }), error: { message } });
    try {
      if (!session) throw new Error('there is no session');
      if (!ALLOWED.test(method)) throw new Error(`${method} is not allowed`);
      session.post(method, params, (error, result) =>
        quietly(() => {
          if (this.#session !== session || id === undefined) return;
          if (error) answer(error.message);
          else this.#send({ id, result: result ?? {} });
        }),
      );
    } catch (error) {
      answer(messageOf(error));
    }
  }

  close(): void {
    const session = this.#session;
    if (!session) return;
    this.#forgetLogged();
    this.#session = undefined;
    this.#forget?.cancel();
    session.disconnect();
  }

  /** V8 keeps what is logged while there is a session, with its objects: nobody is there to read it, unless a debugger is. */
  #forgetLogged(): void {
    if (this.#inspector?.url() === undefined) this.#session?.post('Runtime.discardConsoleEntries');
  }
}
