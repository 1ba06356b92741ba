/** An address at which a process takes TCP connections. */
export interface ListeningSocket {
  /** As text: `127.0.0.1`, `0.0.0.0`, `::`, `::1`. */
  address: string;
  port: number;
  /** Names the socket: the same number as in `/proc/PID/fd`. */
  inode: number;
}

/** `sl: LOCAL REMOTE 0A …`: 0A is TCP_LISTEN; the tenth column is the inode (proc(5), `/proc/net/tcp`). */
const LISTENING = /^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A (?:\S+\s+){5}(\d+)/gm;

/** The listening sockets in the text of `/proc/PID/net/tcp` or `tcp6`. */
export function parseListening(text: string): ListeningSocket[] {
  return [...text.matchAll(LISTENING)].map(([, address = '', port = '', inode = '']) => ({
    address: parseAddress(address),
    port: Number.parseInt(port, 16),
    inode: Number(inode),
  }));
}

/** The kernel prints each 32-bit word of an address as a number of the machine, little-endian on all that run Node. */
function parseAddress(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  const v4 = (from: readonly string[]) => from.map((byte) => Number.parseInt(byte, 16)).join('.');
  if (bytes.length === 4) return v4(bytes);
  const text = bytes.join('').toLowerCase();
  if (/^0{20}ffff/.test(text)) return v4(bytes.slice(12));
  if (/^0{31}[01]$/.test(text)) return text.endsWith('1') ? '::1' : '::';
  return (text.match(/.{4}/g) ?? []).map((group) => group.replace(/^0{1,3}/, '')).join(':');
}
