import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { groupsIn, pidsInGroup } from '../../src/wrap/cgroup-files.ts';
import { locateMemoryCgroup } from '../../src/wrap/cgroup-place.ts';
import { makePrivateCgroup } from '../../src/wrap/private-cgroup.ts';
import { buildDriver, drive, isAlive, until } from '../support/wrap.ts';

const project = join(dirname(fileURLToPath(import.meta.url)), '../..');
const home = locateMemoryCgroup(
  readFileSync('/proc/self/cgroup', 'utf8'),
  readFileSync('/proc/self/mountinfo', 'utf8'),
);
const { group: trial, reasons } = makePrivateCgroup({ limitBytes: 64 << 20 });
await trial?.remove();
const here = trial ? undefined : reasons.join('; ');

const LIMIT = 64 << 20;
const built = buildDriver();
afterAll(built.remove);

const sh = (script: string) => ({ command: 'sh', args: ['-c', script], limitBytes: LIMIT });
const own = (file: string) =>
  typeof home === 'string' ? '' : readFileSync(join(home.directory, file), 'utf8');

describe.skipIf(here)(`a private cgroup on this kernel${here ? ` (skipped: ${here})` : ''}`, () => {
  it('holds the command from its first instruction, with the limit, and the guardian stays outside', async () => {
    const run = drive(built, sh('cat /proc/self/cgroup; read line'));
    const { cgroup, guardian, child, version } = await run.info();
    if (!cgroup) throw new Error('no group');
    const { out, code } = await run.result;
    expect(out).toContain(cgroup.split('/').at(-1));
    expect([guardian, child].map(isAlive)).toEqual([false, false]);
    expect(code).toBe(1);
    expect(version).toBe(trial?.version);
    expect(existsSync(cgroup)).toBe(false);
  });

  it('has the limit set, for swap too', async () => {
    const run = drive(built, sh('sleep 1; exit 0'));
    const { cgroup, version, child, guardian } = await run.info();
    const read = (file: string) => readFileSync(join(cgroup ?? '', file), 'utf8').trim();
    if (version === 2) expect([read('memory.max'), read('memory.oom.group')]).toEqual([String(LIMIT), '0']);
    else expect(read('memory.limit_in_bytes')).toBe(String(LIMIT));
    const swap = version === 2 ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes';
    if (existsSync(join(cgroup ?? '', swap))) expect(read(swap)).toBe(version === 2 ? '0' : String(LIMIT));
    expect(pidsInGroup(cgroup ?? '')).toContain(child);
    expect(pidsInGroup(cgroup ?? '')).not.toContain(guardian);
    await run.result;
  });

  it('kills the command that goes beyond, not the guardian', async () => {
    const greedy = 'const kept = []; for (;;) kept.push(Buffer.alloc(4 << 20, 1));';
    const { code, err } = await drive(built, {
      command: process.execPath,
      args: ['-e', greedy],
      limitBytes: LIMIT,
    }).result;
    expect({ code, err }).toEqual({ code: 137, err: '' });
  });

  it('is removed with the groups and processes left in it', async () => {
    const run = drive(built, sh(`sleep 0.5; env -i setsid /bin/sleep 300 & sleep 1; exit 2`));
    const { cgroup, child } = await run.info();
    execFileSync('mkdir', ['-p', join(cgroup ?? '', 'inner/most')]);
    expect((await run.result).code).toBe(2);
    expect([existsSync(cgroup ?? ''), isAlive(child)]).toEqual([false, false]);
  });

  it('and everything in it go when the guardian is killed', async () => {
    const run = drive(
      built,
      sh('env -i /usr/bin/setsid sh -c "sleep 300 & echo \\$!"; echo $$; while :; do sleep 1; done'),
    );
    const { cgroup, guardian, reaper } = await run.info();
    await until(() => run.stdout().split('\n').length === 3, 'two pids');
    const pids = run.stdout().trim().split('\n').map(Number);
    process.kill(guardian, 'SIGKILL');
    await until(() => ![...pids, reaper].some(isAlive) && !existsSync(cgroup ?? ''), 'all is gone');
    await run.result;
  });

  it('left by a guardian killed together with its reaper is swept by the next start, that of a living one is not', async () => {
    const living = drive(built, sh('read line; sleep 6'));
    const kept = await living.info();
    const run = drive(built, sh('while :; do sleep 1; done'));
    const { cgroup, guardian, reaper, child } = await run.info();
    process.kill(reaper, 'SIGKILL');
    process.kill(guardian, 'SIGKILL');
    await until(() => ![guardian, reaper].some(isAlive), 'both are gone');
    expect([existsSync(cgroup ?? ''), isAlive(child)]).toEqual([true, true]);
    const next = drive(built, { command: 'true', args: [] });
    const { swept } = await next.info();
    expect(swept.join()).toContain(`removed the cgroup ${cgroup}`);
    await next.result;
    expect([existsSync(cgroup ?? ''), isAlive(child)]).toEqual([false, false]);
    expect([existsSync(kept.cgroup ?? ''), isAlive(kept.child)]).toEqual([true, true]);
    process.kill(kept.guardian, 'SIGTERM');
    await living.result;
    await run.result;
  });

  it('leaves the surroundings as they were', () => {
    expect(
      groupsIn(typeof home === 'string' ? '' : home.directory).filter((group) => /\/spillway-/.test(group)),
    ).toEqual([]);
    expect(own('cgroup.procs')).toContain(String(process.pid));
  });
});

describe('a delegated cgroup of version 2', () => {
  const delegated = '/sys/fs/cgroup/delegated';
  const isRoot = typeof home !== 'string' && home.version === 2 && home.directory === '/sys/fs/cgroup';

  it.skipIf(!isRoot).each([0, 1000])(
    'of user %d makes room by a step into a leaf, and everything is taken back, also after a kill',
    async (uid) => {
      execFileSync('mkdir', [delegated]);
      for (const file of ['.', 'cgroup.procs', 'cgroup.subtree_control'])
        chownSync(join(delegated, file), uid, uid);
      chmodSync(built.directory, 0o777);
      const start = (script: string) => {
        const info = join(built.directory, `user-${uid}.json`);
        const options = JSON.stringify({ command: 'sh', args: ['-c', script], limitBytes: LIMIT, info });
        const enter = `echo $$ >${delegated}/cgroup.procs; exec setpriv --reuid ${uid} --regid ${uid} --clear-groups "$@"`;
        return spawnSync('sh', ['-c', enter, 'sh', process.execPath, built.program, options], {
          encoding: 'utf8',
        });
      };
      const asItWas = () =>
        groupsIn(delegated).length === 0 &&
        readFileSync(join(delegated, 'cgroup.subtree_control'), 'utf8').trim() === '';

      const orderly = start('cat /proc/self/cgroup /proc/$PPID/cgroup; exit 5');
      expect(orderly).toMatchObject({ status: 5, stderr: '' });
      expect(orderly.stdout).toMatch(/^0::\/delegated\/spillway-\d.*\n0::\/delegated\/spillway-guardian\n$/);
      expect(asItWas()).toBe(true);

      expect(start('kill -9 $PPID; sleep 300').signal).toBe('SIGKILL');
      await until(() => asItWas() && pidsInGroup(delegated).length === 0, 'all is gone');
      execFileSync('rmdir', [delegated]);
    },
  );

  it.skipIf(!isRoot)('with others in it is passed over for the nearest place above', async () => {
    execFileSync('mkdir', [delegated]);
    const info = join(built.directory, 'above.json');
    const options = JSON.stringify({ command: 'cat', args: ['/proc/self/cgroup'], limitBytes: LIMIT, info });
    const shell = `echo $$ >${delegated}/cgroup.procs; ${process.execPath} ${built.program} '${options}'; exit $?`;
    const { stdout, stderr, status } = spawnSync('sh', ['-c', shell], { encoding: 'utf8' });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(stdout).toMatch(/^0::\/spillway-\d/);
    expect(JSON.parse(readFileSync(info, 'utf8')).reasons).toEqual([
      expect.stringContaining('the guardian is not alone in it'),
    ]);
    await until(() => pidsInGroup(delegated).length === 0, 'it is empty');
    execFileSync('rmdir', [delegated]);
  });
});

const v2run = process.env.V2RUN;
const isV2 = typeof home !== 'string' && home.version === 2;
const absent = isV2 ? 'this is version 2' : v2run ? undefined : 'V2RUN names no runner';

it.skipIf(absent)(
  `all of this on cgroup version 2${absent ? ` (skipped: ${absent})` : ''}`,
  { timeout: 300_000 },
  () => {
    const keep = mkdtempSync(join(project, 'node_modules/.v2-'));
    try {
      const vitest = join(project, 'node_modules/vitest/vitest.mjs');
      const program = fileURLToPath(import.meta.url);
      const args = [
        process.execPath,
        vitest,
        'run',
        '--dir',
        dirname(program),
        '--config',
        join(keep, 'vitest.config.mjs'),
        program,
      ];
      execFileSync('sh', ['-c', 'cat >"$1"', 'sh', join(keep, 'vitest.config.mjs')], {
        input: `export default { cacheDir: '/tmp', test: { include: ['**/*.test.ts'], testTimeout: 60000, pool: 'forks', fileParallelism: false } };`,
      });
      const { status, stdout, stderr } = spawnSync(v2run ?? '', args, {
        cwd: project,
        encoding: 'utf8',
        env: { ...process.env, PROJ: project, LIMIT: '280', NO_COLOR: '1' },
      });
      expect(status, `${stdout}${stderr}`).toBe(0);
      expect(stdout).toMatch(/Tests +\d+ passed/);
    } finally {
      rmSync(keep, { recursive: true, force: true });
    }
  },
);
