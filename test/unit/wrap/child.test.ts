import { spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeError, SpillwayError } from '../../../src/core/lib/errors.ts';
import {
  PASSED_SIGNALS,
  type SignalSource,
  startChild,
  startFailureStatus,
} from '../../../src/wrap/child.ts';
import { goldenLines } from '../../support/golden.ts';
import { buildDriver, drive, isAlive, until } from '../../support/wrap.ts';

const said = goldenLines('child');
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
    said('no such command', err);
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
  it('is told apart: not found, missing interpreter, not executable, each with a hint', async () => {
    const script = join(scratch, 'script');
    writeFileSync(script, '#!/no/such/interpreter\n', { mode: 0o755 });
    const failure = async (name: string, command: string) => {
      const signals = new EventEmitter() as SignalSource & EventEmitter;
      const error = await startChild({ command, args: [], env: process.env, signals }).catch(
        (thrown) => thrown,
      );
      expect(error).toBeInstanceOf(SpillwayError);
      expect(error).toMatchObject({ code: 'command', hint: expect.stringMatching(/\w/) });
      expect(signals.eventNames(), 'no listener stays behind').toEqual([]);
      said(name, describeError(error), { FOLDER: scratch });
      return startFailureStatus(error);
    };
    expect(await failure('not found', 'no-such-command')).toBe(127);
    expect(await failure('no interpreter', script)).toBe(127);
    expect(await failure('not executable', scratch)).toBe(126);
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
  const info = join(scratch, 'terminal.json');
  const driver = (...args: string[]) => [
    process.execPath,
    built.program,
    JSON.stringify({ command: process.execPath, args: ['-e', ...args], info }),
  ];

  /** Runs a command in a pseudo-terminal of its own; types the second of each pair once the first has been printed. */
  const inTerminal = async (argv: string[], script: [seen: string, typed: string][]) => {
    const play = `
import os, pty, sys, time, select, signal, json
script, info, argv = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(argv[0], argv)
seen, end = b'', time.time() + 15
while time.time() < end:
    if select.select([fd], [], [], 0.1)[0]:
        try: data = os.read(fd, 4096)
        except OSError: break
        if not data: break
        seen += data
    if script and script[0][0].encode() in seen:
        typed = script.pop(0)[1]
        if typed == 'TERM': os.kill(json.load(open(info))['guardian'], signal.SIGTERM)
        else: os.write(fd, typed.encode())
else: os.kill(pid, signal.SIGKILL)
sys.stdout.write(seen.decode() + '\\nstatus ' + str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
`;
    const python = spawn('python3', ['-c', play, JSON.stringify(script), info, ...argv]);
    let out = '';
    python.stdout.on('data', (data) => (out += data));
    python.stderr.on('data', (data) => (out += data));
    await new Promise((resolve) => python.once('close', resolve));
    return out;
  };

  it('Ctrl-C reaches the command once, not a second time through the guardian', async () => {
    const command = `let n = 0;
      process.on('SIGINT', () => { n++; console.log('interrupt ' + n); setTimeout(() => process.exit(n), 400); });
      setInterval(() => {}, 1000);
      console.log('tty ' + process.stdin.isTTY);
      setTimeout(() => console.log('ready'), 300);`;
    const out = await inTerminal(driver(command), [['ready', '\x03']]);
    expect(out).toContain('tty true');
    expect(out).toContain('interrupt 1');
    expect(out).not.toContain('interrupt 2');
    expect(out).toMatch(/status 1$/);
  });

  it('SIGTERM to the guardian is passed on', async () => {
    const command = `process.on('SIGTERM', () => process.exit(5));
      setInterval(() => {}, 1000);
      setTimeout(() => console.log('ready'), 500);`;
    expect(await inTerminal(driver(command), [['ready', 'TERM']])).toMatch(/status 5$/);
  });

  it('Ctrl-Z stops guardian and command for the shell, and `fg` continues both', async () => {
    const command = `process.on('SIGCONT', () => { console.log('go' + 'es on'); setTimeout(() => process.exit(6), 300); });
      setInterval(() => {}, 1000);
      setTimeout(() => console.log('re' + 'ady'), 500);`;
    const line = driver(command)
      .map((word) => `'${word.replaceAll("'", "'\\''")}'`)
      .join(' ')
      .replaceAll('\n', ' ');
    const file = join(scratch, 'line.sh');
    writeFileSync(file, line);
    const out = await inTerminal(
      ['bash', '--norc', '-i'],
      [
        ['bash-', `eval "$(cat ${file})"\r`],
        ['ready', '\x1a'],
        ['Stopped', 'fg\r'],
        ['goes on', 'exit $?\r'],
      ],
    );
    expect(out).toMatch(/status 6$/);
  });
});
