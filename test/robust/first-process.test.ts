import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { CLI, cleanEnv, freePort, until } from '../support/cli.ts';
import { describeWhere } from '../support/kernel.ts';
import { NODES } from '../support/node-matrix.ts';

/** Starts 20 tools in the background, each below a shell that ends before it; then prints what is left of them each 100 ms. */
const COMMAND = `
for i in $(seq 20); do (sleep 0.2 &); done
trap 'echo asked to end; exit 7' TERM
read -r line; echo "read: $line"
while :; do
  sleep 0.1
  zombies=0
  for stat in /proc/[0-9]*/stat; do read -r line <$stat && case "\${line##*) }" in Z*) zombies=$((zombies + 1)) ;; esac; done
  echo "zombies: $zombies" "processes: $(ls -d /proc/[0-9]* | wc -l)"
done`;

describeWhere(
  'spillway run as process 1 of a container',
  process.getuid?.() === 0 ? undefined : 'only root makes a process namespace',
  () => {
    for (const { bin, version } of NODES) {
      const start = async () => {
        const child = spawn(
          'unshare',
          [
            ...['--pid', '--fork', '--mount-proc', '--kill-child', bin, CLI, 'run'],
            ...['--listen', `127.0.0.1:${await freePort()}`, '--limit', '1Gi', '--', 'sh', '-c', COMMAND],
          ],
          { stdio: ['pipe', 'pipe', 'pipe'], env: cleanEnv() },
        );
        onTestFinished(() => void child.kill('SIGKILL'));
        child.stdin.end('a line\n');
        const text = { out: '', err: '' };
        child.stdout.setEncoding('utf8').on('data', (data) => (text.out += data));
        child.stderr.setEncoding('utf8').on('data', (data) => (text.err += data));
        await until(() => text.out.split('\n').length > 15, 'the tools have ended');
        return { child, text, last: () => text.out.trim().split('\n').at(-1) };
      };
      const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
      if (major > 22 || (major === 22 && minor >= 15))
        it(`collects what the command's tools leave behind, passes SIGTERM on and ends with its status, on Node ${version}`, async () => {
          const { child, text, last } = await start();
          expect(last()).toMatch(/^zombies: 0 processes: \d$/);
          expect(text.out).toContain('read: a line');
          expect(text.err).not.toContain('Warning');
          const inner = Number((await run('pgrep', '-P', String(child.pid))).trim());
          process.kill(inner, 'SIGTERM');
          expect(await once(child, 'exit')).toEqual([7, null]);
          expect(text.out).toContain('asked to end');
        });
      else
        it(`says that it cannot collect what the command's tools leave behind, on Node ${version}`, async () => {
          const { text, last } = await start();
          expect(last()).toContain('zombies: 20');
          expect(text.err).toContain('docker run --init');
        });
    }
  },
);

async function run(command: string, ...args: string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (data) => (out += data));
  await once(child, 'close');
  return out;
}
