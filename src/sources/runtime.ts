import { closeSync, openSync, readlinkSync, readSync } from 'node:fs';
import type { Runtime } from '../core/model/status.ts';
import { argsOf, baseName } from './process-table.ts';

/** Commands that only start the program: the shells, the package managers, the inits of containers. */
const WRAPPER =
  /^(?:(?:ba|da|a|z|k)?sh|busybox|env|npm|npx|pnpm|yarn|tini|dumb-init|docker-init|catatonit|s6-svscan|supervisord|timeout|nice|stdbuf)$/;
/** Portable bundles start their program through the dynamic loader they bring: it is then the executable. */
const LOADER = /^ld-(?:linux|musl)[\w-]*\.so(?:\.\d+)?$/;
/** What is read of an executable at most: its headers, never its text. */
const MAX_TABLE_BYTES = 256 * 1024;

/**
 * What runs in a process: from the name of its executable where that may be seen (same uid and gid), else from its
 * command line. A Go program is known by the sections `.gopclntab` and `.go.buildinfo` of its executable
 * (the first is in each, the second can be left out when it is built).
 */
export function runtimeOf(procRoot: string, pid: number): Runtime {
  const file = `${procRoot}/${pid}/exe`;
  const name = executableName(file) ?? '';
  const args = argsOf(procRoot, pid).map(baseName);
  const known = LOADER.test(name) ? byName(args.find(byName) ?? '') : (byName(name) ?? byName(args[0] ?? ''));
  return known ?? (isGo(file) ? 'go' : 'other');
}

/**
 * What runs in a tree of processes: the root's runtime, but that of the biggest process when the root only starts others
 * (`sh -c`, `npm start`, an init).
 * @param biggestPid the process with the largest RSS, the root included
 */
export function runtimeOfTree(procRoot: string, rootPid: number, biggestPid: number): Runtime {
  return isWrapper(argsOf(procRoot, rootPid))
    ? runtimeOf(procRoot, biggestPid)
    : runtimeOf(procRoot, rootPid);
}

/** npm shows as `npm start` (it renames itself), or as `node …/npm-cli.js` before that. */
function isWrapper(args: readonly string[]): boolean {
  const command = baseName((args[0] ?? '').split(' ')[0] ?? '');
  return WRAPPER.test(command) || /\/(?:npm|npx|yarn|pnpm)(?:-cli)?(?:\.c?js)?$/.test(args[1] ?? '');
}

function byName(name: string): Runtime | undefined {
  if (/^node(?:js)?[\d.]*$/.test(name)) return 'node';
  if (/^(?:python|pypy)[\d.]*$/.test(name)) return 'python';
  return name === 'java' ? 'jvm' : undefined;
}

function executableName(file: string): string | undefined {
  try {
    return baseName(readlinkSync(file)).replace(/ \(deleted\)$/, '');
  } catch {
    return undefined; // another uid, or gone: the command line has to do
  }
}

/** Reads the ELF header, the section headers and their names; whatever does not fit that picture is not Go. */
function isGo(file: string): boolean {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    return /\.go(?:\.buildinfo|pclntab)\0/.test(sectionNames(fd));
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** The string table of section names of an ELF executable, 32 or 64 bit, either byte order (elf(5)). */
function sectionNames(fd: number): string {
  const header = readAt(fd, 0, 64);
  if (header.toString('latin1', 0, 4) !== '\x7fELF') return '';
  const wide = header[4] === 2;
  const little = header[5] === 1;
  const short = (from: Buffer, at: number) => (little ? from.readUInt16LE(at) : from.readUInt16BE(at));
  const word = (from: Buffer, at: number) => {
    if (!wide) return little ? from.readUInt32LE(at) : from.readUInt32BE(at);
    return Number(little ? from.readBigUInt64LE(at) : from.readBigUInt64BE(at));
  };
  const size = short(header, wide ? 0x3a : 0x2e);
  const count = short(header, wide ? 0x3c : 0x30);
  const names = short(header, wide ? 0x3e : 0x32);
  if (names >= count) return '';
  const section = readAt(fd, word(header, wide ? 0x28 : 0x20) + names * size, size);
  const [offset, length] = wide
    ? [word(section, 0x18), word(section, 0x20)]
    : [word(section, 0x10), word(section, 0x14)];
  return readAt(fd, offset, Math.min(length, MAX_TABLE_BYTES)).toString('latin1');
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
}
