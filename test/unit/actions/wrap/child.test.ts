import { spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  PASSED_SIGNALS,
  type SignalSource,
  startChild,
  startFailureStatus,
} from '../../../../src/actions/wrap/child.ts';
import { SpillwayError } from '../../../../src/core/errors.ts';
import { buildDriver, drive, isAlive, until } from '../../../support/wrap.ts';

const built = buildDriver();
const scratch = mkdtempSync(join(tmpdir(), 'child-'));
afterAll(() => {
  built.remove();
  rmSync(scratch, { recursive: true, force: true });
});

const sh = (script: string) => ({ command: 'sh', args: ['-c', script] });

/** A command that says `ready`, then one line for each signal; ends on SIGTERM with status 9. */
const reporter = (...names: string[]) => ({
  command: process.execPath,
  args: [
    '-e',
    `${JSON.stringify(names)}.forEach((name) => process.on(name, () => console.log(name)));
     process.on('SIGTERM', () => process.exit(9));
     setInterval(() => {}, 1000);
     console.log('ready');`,
  ],
});

describe('the exit status', () => {
  it.each([
    ['exit 0', 0],
    ['exit 7', 7],
    ['kill -KILL $$', 137],
    ['kill -TERM $$', 143],
    ['kill -INT $$', 130],
  ])('of `%s` is %d', async (script, status) => {
    expect((await drive(built, sh(script)).result).code).toBe(status);
  });

  it('is 127 for a command that does not exist, and says which', async () => {
    const { code, err } = await drive(built, { command: 'no-such-command', args: [] }).result;
    expect(code).toBe(127);
    expect(err).toContain('command not found: no-such-command');
  });

  it('is 126 for a file that may not be executed', async () => {
    const file = join(scratch, 'plain');
    writeFileSync(file, 'text', { mode: 0o644 });
    const { code, err } = await drive(built, { command: file, args: [] }).result;
    expect(code).toBe(126);
    expect(err).toContain(file);
  });
});

describe('a command that cannot be started', () => {
  it('is told apart: not found, missing interpreter, not executable, each with a mend', async () => {
    const script = join(scratch, 'script');
    writeFileSync(script, '#!/no/such/interpreter\n', { mode: 0o755 });
    const failure = async (command: string) => {
      const signals = new EventEmitter() as SignalSource & EventEmitter;
      const error = await startChild({ command, args: [], env: process.env, signals }).catch(
        (thrown) => thrown,
      );
      expect(error).toBeInstanceOf(SpillwayError);
      expect(error).toMatchObject({ code: 'command', mend: expect.stringMatching(/\w/) });
      expect(signals.eventNames(), 'no listener stays behind').toEqual([]);
      return [startFailureStatus(error), error.message];
    };
    expect(await failure('no-such-command')).toEqual([127, 'command not found: no-such-command']);
    expect(await failure(script)).toEqual([
      127,
      expect.stringContaining('the interpreter it names does not exist'),
    ]);
    expect(await failure(scratch)).toEqual([126, expect.stringContaining('EACCES')]);
  });
});

describe('standard streams', () => {
  it('belong to the command', async () => {
    const input = `${'x'.repeat(200_000)}\n`;
    const { code, out, err } = await drive(built, sh('cat; echo fault >&2'), input).result;
    expect({ code, err }).toEqual({ code: 0, err: 'fault\n' });
    expect(out).toBe(input);
  });
});

describe('signals', () => {
  it('are passed on, and the guardian outlives them', async () => {
    const names = PASSED_SIGNALS.filter((name) => name !== 'SIGTERM');
    const run = drive(built, reporter(...names));
    const { guardian } = await run.info();
    await until(() => run.stdout().includes('ready'), 'the command is ready');
    for (const name of names) {
      process.kill(guardian, name);
      await until(() => run.stdout().includes(name), `${name} arrives`);
    }
    process.kill(guardian, 'SIGTERM');
    const { code, out, err } = await run.result;
    expect({ code, err }, 'and no inspector was opened by SIGUSR1').toEqual({ code: 9, err: '' });
    expect(out).toBe(['ready', ...names, ''].join('\n'));
  });

  it('that come before the command has started reach it as well', async () => {
    const signals = new EventEmitter() as SignalSource & EventEmitter;
    const starting = startChild({ command: 'sleep', args: ['60'], env: process.env, signals });
    signals.emit('SIGTERM');
    const { exited } = await starting;
    expect(await exited).toEqual({ code: null, signal: 'SIGTERM', status: 143 });
    expect(signals.eventNames()).toEqual([]);
  });

  it('that the command ignores leave the guardian waiting', async () => {
    const run = drive(built, sh("trap '' TERM; echo ready; sleep 1 & wait; sleep 0.5; exit 4"));
    const { guardian, child } = await run.info();
    await until(() => run.stdout() === 'ready\n', 'the trap is set');
    process.kill(guardian, 'SIGTERM');
    process.kill(guardian, 'SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect([isAlive(guardian), isAlive(child)]).toEqual([true, true]);
    expect((await run.result).code).toBe(4);
  });
});

describe('in a terminal', () => {
  /** Runs the driver in a pseudo-terminal of its own and plays `keys` once the command says `ready`. */
  const inTerminal = async (options: object, keys: string) => {
    const info = join(scratch, 'terminal.json');
    const play = `
import os, pty, sys, time, select, signal, json
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:4])
seen, step = b'', 0
keys = json.loads(sys.argv[4])
end = time.time() + 15
while time.time() < end:
    if select.select([fd], [], [], 0.1)[0]:
        try: data = os.read(fd, 4096)
        except OSError: break
        if not data: break
        seen += data
    if step < len(keys) and keys[step][0].encode() in seen:
        if keys[step][1] == 'TERM': os.kill(json.load(open(sys.argv[5]))['guardian'], signal.SIGTERM)
        else: os.write(fd, keys[step][1].encode())
        step += 1
status = os.waitpid(pid, 0)[1]
sys.stdout.write(seen.decode() + '\\nstatus ' + str(os.waitstatus_to_exitcode(status)))
`;
    const python = spawn('python3', [
      '-c',
      play,
      process.execPath,
      built.program,
      JSON.stringify({ ...options, info }),
      keys,
      info,
    ]);
    let out = '';
    python.stdout.on('data', (data) => (out += data));
    python.stderr.on('data', (data) => (out += data));
    await new Promise((resolve) => python.once('close', resolve));
    return out;
  };

  it('Ctrl-C reaches the command once, not a second time through the guardian', async () => {
    const script = `let n = 0; process.on('SIGINT', () => { n++; console.log('interrupt ' + n); setTimeout(() => process.exit(n), 400) });
      setInterval(() => {}, 1000); console.log('tty ' + process.stdin.isTTY); setTimeout(() => console.log('ready'), 300)`;
    const out = await inTerminal(
      { command: process.execPath, args: ['-e', script] },
      JSON.stringify([['ready', '\x03']]),
    );
    expect(out).toContain('tty true');
    expect(out).toContain('interrupt 1');
    expect(out).not.toContain('interrupt 2');
    expect(out).toMatch(/status 1$/);
  });

  it('SIGTERM to the guardian is passed on', async () => {
    const script =
      "process.on('SIGTERM', () => process.exit(5)); setInterval(() => {}, 1000); setTimeout(() => console.log('ready'), 500)";
    const out = await inTerminal(
      { command: process.execPath, args: ['-e', script] },
      JSON.stringify([['ready', 'TERM']]),
    );
    expect(out).toMatch(/status 5$/);
  });
});
