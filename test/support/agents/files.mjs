// Writes a file of --mib MiB in --dir, to the disk and not only to memory, and reads it --rounds times. On a disk this
// fills the page cache, on a tmpfs memory itself. Prints `done`, holds the file for --hold ms, and removes it.
import { closeSync, fsyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    dir: { type: 'string' },
    mib: { type: 'string' },
    rounds: { type: 'string', default: '0' },
    hold: { type: 'string', default: '0' },
  },
});
const path = join(values.dir, `spillway-load-${process.pid}`);
const block = Buffer.alloc(2 ** 20, 1);
process.on('SIGTERM', () => process.exit(0));
process.on('exit', () => rmSync(path, { force: true }));

const fd = openSync(path, 'wx+');
for (let i = 0; i < Number(values.mib); i++) writeSync(fd, block);
fsyncSync(fd);
for (let round = 0; round < Number(values.rounds); round++)
  for (let i = 0; i < Number(values.mib); i++) readSync(fd, block, 0, block.length, i * block.length);
process.stdout.write('done\n');
setTimeout(() => closeSync(fd), Number(values.hold));
