import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readConfigFile } from '../../../src/config/file.ts';

it('a configuration may come through a pipe', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-pipe-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const reading = readConfigFile(fifo);
  execFileSync('sh', ['-c', 'echo "hold: 1s" > "$0"', fifo]);
  expect((await reading).entries).toMatchObject([{ key: 'hold', value: '1s', line: 1 }]);
});
