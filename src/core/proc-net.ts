/** `st` of an established connection in `/proc/net/tcp` (`TCP_ESTABLISHED`). */
export const TCP_ESTABLISHED = 0x01;
/** `st` of a listening socket (`TCP_LISTEN`). */
export const TCP_LISTEN = 0x0a;

/** One socket of `/proc/PID/net/tcp` or `tcp6`: those of the whole network namespace are listed, whoever owns them. */
export interface TcpSocket {
  /** As the kernel prints it: hexadecimal, each 32 bits in the machine's own byte order. */
  localAddress: string;
  localPort: number;
  /** 0 for a listening socket. */
  remotePort: number;
  /** The kernel's number of the state, such as {@link TCP_ESTABLISHED}. */
  state: number;
  /** As in the link `socket:[INODE]` of a file descriptor; 0 where no process holds it (any more, or not yet). */
  inode: number;
}

/** Up to the inode: `0: 0100007F:2405 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 12345 …`. */
const ROW =
  /^ *\d+: ([\dA-F]{8}|[\dA-F]{32}):([\dA-F]{4}) [\dA-F]+:([\dA-F]{4}) ([\dA-F]{2}) \S+ \S+ \S+ +\d+ +\d+ (\d+)/gm;

/** Parses `/proc/PID/net/tcp` and `tcp6`; the head line, and what is not a row, is left out. */
export function parseTcpTable(text: string): TcpSocket[] {
  return Array.from(text.matchAll(ROW), ([, address = '', local = '', remote = '', state = '', inode]) => ({
    localAddress: address,
    localPort: Number.parseInt(local, 16),
    remotePort: Number.parseInt(remote, 16),
    state: Number.parseInt(state, 16),
    inode: Number(inode),
  }));
}
