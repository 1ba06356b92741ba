import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let dir: string;

/** Bundles a program around the logger; it reports on standard output. */
async function program(name: string, body: string): Promise<string> {
  const outfile = join(dir, `${name}.cjs`);
  const contents = `
    import { createLogger } from ${JSON.stringify(resolve('src/adapters/logger.ts'))};
    const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
    const event = (type, note) => ({ id: 'e1', reason: 'MemoryPressureShedding', type, note, at: '', count: 1, status: { level: 'shedding', ready: false } });
    (async () => { ${body} })();`;
  const stdin = { contents, resolveDir: resolve('.'), loader: 'ts' as const };
  await build({ stdin, outfile, bundle: true, platform: 'node', format: 'cjs', logLevel: 'error' });
  return outfile;
}

const children: ChildProcess[] = [];
const start = (file: string, ...args: string[]) => {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  return child;
};

const BLOCKED = `
  const log = await createLogger({ level: 'info', format: 'json' });
  let ticks = 0;
  setInterval(() => ticks++, 5);
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 100; i++) log.info('x'.repeat(1000), { i });
    await new Promise((go) => setTimeout(go, 10));
  }
  const whole = await log.flush(200);
  say({ ticks, whole });
  setTimeout(() => process.exit(7), 20);`;

const files: Record<string, string> = {};
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'spillway-logger-'));
  files.blocked = await program('blocked', BLOCKED);
  files.lines = await program(
    'lines',
    `const log = await createLogger({ level: 'info', format: process.argv[2] });
     log.debug('not shown');
     log.info('up', { port: 9797 });
     log.error('failed', { err: new Error('why') });
     log.event(event('Warning', 'new work is refused'));
     log.event(event('Normal', 'recovered'));
     log.warn('grown in \\u001b[2J\\u009b1m\\u202e\\\\u001b\\b \\ud83e\\udde0', { site: '\\u001b]0;owned\\u0007' });
     say(await log.flush(5000));`,
  );
  files.closed = await program(
    'closed',
    `const log = await createLogger({ level: 'info', format: 'json' });
     process.stdin.once('data', async () => {
       for (let i = 0; i < 50; i++) { log.warn('anybody?'); await new Promise((go) => setTimeout(go, 1)); }
       await log.flush(1000);
       say('alive');
       process.exit(0);
     });
     say('up');`,
  );
  files.paused = await program(
    'paused',
    `const log = await createLogger({ level: 'info', format: 'json' });
     for (let i = 0; i < 3000; i++) log.info('x'.repeat(1000), { i });
     say('full');
     setTimeout(async () => { log.info('last'); await log.flush(5000); process.exit(0); }, 500);`,
  );
});
afterAll(() => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

describe('logger', () => {
  it('writes one object per line, with the level as a word and ISO time', async () => {
    const child = start(files.lines ?? '', 'json');
    const lines = (await text(child.stderr))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatchObject({ level: 'info', name: 'spillway', msg: 'up', port: 9797 });
    expect(lines[0].time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(lines[1]).toMatchObject({ level: 'error', err: { message: 'why', stack: expect.any(String) } });
    expect(lines[2]).toMatchObject({
      level: 'warn',
      event: 'MemoryPressureShedding',
      status: { level: 'shedding', ready: false },
      msg: 'new work is refused',
    });
    expect(lines[3]).toMatchObject({ level: 'info', event: 'MemoryPressureShedding', msg: 'recovered' });
  });

  it('writes lines for people', async () => {
    const child = start(files.lines ?? '', 'pretty');
    const all = await text(child.stderr);
    expect(all).toMatch(/\d\d:\d\d:\d\d.*INFO.*up/);
    expect(all).toContain('WARN');
    expect(all).toContain('new work is refused');
    expect(all).not.toContain('"level"');
    // what an agent calls itself tells the terminal of whoever reads nothing
    expect(all).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
    expect(all).toContain('grown in \ufffd[2J\ufffd1m\ufffd\\u001b\ufffd 🧠');
  });

  it('writes into a file behind what is there', async () => {
    const path = join(dir, 'log');
    writeFileSync(path, 'before\n');
    const fd = openSync(path, 'a');
    const child = spawn(process.execPath, [files.lines ?? '', 'json'], { stdio: ['ignore', 'ignore', fd] });
    await once(child, 'exit');
    closeSync(fd);
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(7);
  });

  it('neither stalls nor hangs at the end when nobody reads its socket', async () => {
    const child = start(files.blocked ?? '');
    const out = text(child.stdout);
    const [code] = await once(child, 'exit');
    const { ticks, whole } = JSON.parse(await out);
    expect(code).toBe(7);
    expect(whole).toBe(false);
    expect(ticks).toBeGreaterThan(20);
  });

  it.skipIf(process.platform !== 'linux')(
    'neither stalls nor hangs at the end when nobody reads its pipe',
    async () => {
      // The shell makes a real pipe; its reader sleeps.
      const child = spawn(
        'sh',
        [
          '-c',
          `exec 3>&1; { "$0" "$1" 2>&1 >&3; echo "code $?" >&3; } | sleep 30`,
          process.execPath,
          files.blocked ?? '',
        ],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
          detached: true,
        },
      );
      let out = '';
      const done = new Promise<void>((go) => {
        child.stdout.on('data', (chunk) => {
          out += chunk;
          if (out.includes('code')) go();
        });
      });
      await done;
      process.kill(-(child.pid ?? 0), 'SIGKILL');
      expect(out).toContain('code 7');
      expect(out).toContain('"whole":false');
    },
  );

  it('outlives the reader of its log', async () => {
    const child = spawn(process.execPath, [files.closed ?? ''], { stdio: ['pipe', 'pipe', 'pipe'] });
    children.push(child);
    await once(child.stdout, 'data');
    child.stderr.destroy();
    await once(child.stderr, 'close');
    child.stdin.write('go\n');
    const [line] = await once(child.stdout, 'data');
    expect(String(line)).toContain('alive');
    expect((await once(child, 'exit'))[0]).toBe(0);
  });

  it('keeps a bounded rest for a slow reader, whole lines in order, and says how many were lost', async () => {
    const child = start(files.paused ?? '');
    await once(child.stdout, 'data');
    const lines = (await text(child.stderr))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const numbers = lines.flatMap(({ i }) => (i === undefined ? [] : [i]));
    expect(numbers).toEqual(numbers.map((_, index) => index));
    const lost = lines.find(({ dropped }) => dropped);
    expect(numbers.length + lost?.dropped).toBe(3000);
    expect(lines.at(-1)?.msg).toBe('last');
  });
});
