import { describe, expect, it } from 'vitest';
import { type CliOptions, cleanEnv, isAlive, startGuardian, startTidal, until } from '../support/cli.ts';

const root = process.getuid?.() === 0;
const shell = (script: string): string[] => ['sh', '-c', `${script}; exec "$@"`, 'sh'];

const places: [string, CliOptions & { needsRoot?: boolean }][] = [
  ['a working directory that cannot be written', { cwd: '/proc' }],
  ['no environment at all', { env: {} }],
  ['no HOME', { env: cleanEnv({ HOME: undefined }) }],
  ['an empty PATH', { env: cleanEnv({ PATH: '' }) }],
  ['a PATH that leads nowhere', { env: cleanEnv({ PATH: '/nowhere' }) }],
  ['LANG=C', { env: cleanEnv({ LANG: 'C', LC_ALL: 'C' }) }],
  ['another time zone', { env: cleanEnv({ TZ: 'Pacific/Kiritimati' }) }],
  ['NODE_ENV=test and DEBUG=*', { env: cleanEnv({ NODE_ENV: 'test', DEBUG: '*' }) }],
  ['a small heap', { env: cleanEnv({ NODE_OPTIONS: '--max-old-space-size=32' }) }],
  [
    'strict Node options',
    {
      env: cleanEnv({
        NODE_OPTIONS:
          '--unhandled-rejections=strict --throw-deprecation --disallow-code-generation-from-strings',
      }),
    },
  ],
  ['few descriptors', { prefix: shell('ulimit -n 64') }],
  ['SIGPIPE and SIGHUP ignored', { prefix: shell('trap "" PIPE HUP') }],
  ['a closed standard input', { prefix: shell('exec <&-') }],
  [
    'uid and gid 65534, no capabilities',
    {
      prefix: [
        'setpriv',
        '--reuid=65534',
        '--regid=65534',
        '--clear-groups',
        '--bounding-set=-all',
        '--no-new-privs',
      ],
      needsRoot: true,
    },
  ],
];

describe('unusual surroundings', () => {
  it.for(places)('should guard, shed, recover and leave nothing behind: %s', async ([
    ,
    { needsRoot, ...options },
  ], { skip }) => {
    skip(needsRoot === true && !root, 'only root may change its uid');
    const guardian = await startTidal([], options);
    const { agent, blind } = await guardian.status();
    expect(blind).toBe(false);
    guardian.turn();
    await until(async () => (await guardian.get('/readyz')).status === 503, 'it sheds');
    guardian.turn();
    await until(async () => (await guardian.get('/readyz')).status === 200, 'it is ready again');
    expect(guardian.text.err).not.toMatch(/unexpected:|DeprecationWarning|\n\s+at /);
    guardian.child.kill('SIGTERM');
    expect((await guardian.ended).code).toBe(143);
    expect(isAlive(agent?.pid ?? 0)).toBe(false);
  });

  it.each([
    '',
    '/nowhere',
  ])('should end all of the run after kill -9 of the guardian with PATH=%j', async (PATH) => {
    // an orphan in a session of its own: known by its environment alone
    const script = '(/usr/bin/setsid /bin/sleep 986 & echo $!); while :; do /bin/sleep 1; done';
    const guardian = await startGuardian('run', ['--', '/bin/sh', '-c', script], { env: cleanEnv({ PATH }) });
    await until(() => guardian.text.out !== '', 'it is up');
    const pids = [Number(guardian.text.out), (await guardian.status()).agent?.pid ?? 0];
    expect(pids.map(isAlive)).toEqual([true, true]);
    guardian.child.kill('SIGKILL');
    await until(() => !pids.some(isAlive), 'both are gone');
  });
});
