import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Diagnosis, doctorCommand } from '../../../src/commands/doctor.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0)) step();
});

async function doctor(flags: Record<string, string>, { json = true, env = {} } = {}) {
  const { config } = await resolveConfig({ flags });
  let text = '';
  const status = await doctorCommand(config, { json, env }, (more) => {
    text += more;
  });
  return { status, text, diagnosis: (json ? JSON.parse(text) : undefined) as Diagnosis };
}

function agent(): number {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  undo.push(() => child.kill('SIGKILL'));
  return child.pid ?? 0;
}

describe.runIf(process.platform === 'linux')('doctor', () => {
  it('tells each check of guarding a process, with what stands in for a missing one', async () => {
    const { status, diagnosis } = await doctor({ agent: `pid:${agent()}`, limit: '256Mi' });
    expect(status).toBe(0);
    expect(diagnosis).toMatchObject({ canGuard: true, mode: 'sidecar' });
    const checks = Object.fromEntries(diagnosis.checks.map((check) => [check.check, check]));
    expect(checks['agent']).toMatchObject({ status: 'pass' });
    expect(checks['memory limit']).toMatchObject({ status: 'pass', code: 'ok' });
    expect(checks['process tree']).toMatchObject({ code: 'ok' });
    for (const { status, hint } of diagnosis.checks) if (status !== 'pass') expect(hint).not.toBe('');
  });

  it('ends with 1 and the hint when the agent it should guard is not there', async () => {
    const { status, diagnosis } = await doctor({ agent: 'match:no-such-program-anywhere' });
    expect(status).toBe(1);
    expect(diagnosis.canGuard).toBe(false);
    expect(diagnosis.checks[0]).toMatchObject({ check: 'agent', status: 'fail', code: 'no_match' });
    expect(diagnosis.checks[0]?.hint).not.toBe('');
  });

  it('asks in a pod for the agent, and elsewhere whether a command could be guarded', async () => {
    const inPod = await doctor({}, { env: { KUBERNETES_SERVICE_HOST: '10.0.0.1' } });
    expect(inPod.diagnosis.mode).toBe('sidecar');
    const here = await doctor({});
    expect(here.status).toBe(0);
    expect(here.diagnosis.checks.map(({ check }) => check)).toContain('limit enforcement');
    const { text } = await doctor({}, { json: false });
    for (const { check } of here.diagnosis.checks) expect(text).toContain(check);
  });

  it('tries the directory for reports', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'doctor-'));
    undo.push(() => {
      chmodSync(directory, 0o700);
      rmSync(directory, { recursive: true });
    });
    const recording = async (path: string) => (await doctor({ recordDir: path })).diagnosis.checks.at(-1);
    expect(await recording(join(directory, 'new/one'))).toMatchObject({ status: 'pass', hint: '' });
    expect(await recording('/proc/no/such')).toMatchObject({
      status: 'fail',
      code: 'not_writable',
    });
  });
});
