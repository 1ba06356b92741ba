import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** More than the limit of the agent that reads them. */
const FILES = 16;
const FILE_MIB = 16;

/** Files for a tool to read. */
export interface Workspace {
  directory: string;
  /** Drops them from the file cache: the kernel charges a cached page to whoever read it first. */
  forget(): void;
  remove(): void;
}

/** Files of text in a directory of their own, written out. */
export function makeWorkspace(): Workspace {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-goodput-'));
  const files = Array.from({ length: FILES }, (_, i) => join(directory, `${i}.log`));
  files.forEach((file, i) => {
    writeFileSync(file, Buffer.alloc(FILE_MIB * 2 ** 20, `all is well in line ${i}\n`), { flush: true });
  });
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.once('exit', remove); // interrupted
  return {
    directory,
    forget() {
      for (const file of files) execFileSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none']);
    },
    remove,
  };
}
