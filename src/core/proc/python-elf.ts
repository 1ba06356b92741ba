/** Reads a piece of a file; shorter where the file ends. */
export type ReadPiece = (position: number, length: number) => Uint8Array;

const PT_LOAD = 1;
const MAX_SECTIONS = 1000;

/**
 * Where a section of an ELF file (64 bit, little-endian: elf(5)) lies in memory, counted from the file's first mapping.
 * @returns `null` when the file is of another kind or has no such section
 */
export function sectionInMemory(read: ReadPiece, name: string): number | null {
  const header = view(read(0, 64));
  // magic, 64 bit, little-endian
  if (header.byteLength < 64 || header.getUint32(0) !== 0x7f454c46 || header.getUint16(4) !== 0x0201)
    return null;
  const number = (from: DataView, at: number) => Number(from.getBigUint64(at, true));
  const table = (offsetAt: number, sizeAt: number): DataView[] => {
    const size = header.getUint16(sizeAt, true);
    const count = Math.min(header.getUint16(sizeAt + 2, true), MAX_SECTIONS);
    const bytes = read(number(header, offsetAt), size * count);
    return Array.from({ length: Math.floor(bytes.byteLength / (size || 1)) }, (_, i) =>
      view(bytes.subarray(i * size, (i + 1) * size)),
    );
  };
  const load = table(0x20, 0x36).find((segment) => segment.getUint32(0, true) === PT_LOAD);
  const sections = table(0x28, 0x3a);
  const names = sections[header.getUint16(0x3e, true)];
  if (!load || !names) return null;
  const strings = String.fromCharCode(...read(number(names, 0x18), Math.min(number(names, 0x20), 65_536)));
  const section = sections.find((one) => strings.startsWith(`${name}\0`, one.getUint32(0, true)));
  if (!section) return null;
  const virtual = number(load, 0x10);
  return number(section, 0x10) - (virtual - (virtual % Math.max(1, number(load, 0x30))));
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
