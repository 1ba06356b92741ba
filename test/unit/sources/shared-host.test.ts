import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { sharedHost } from '../../../src/sources/shared-host.ts';

const root = process.getuid?.() === 0;
const here = { procRoot: '/proc', sysRoot: '/sys', inPod: false, pid: process.pid };

/** A process of this user that goes on until the test ends. */
async function processOf(uid: number, prefix: string[] = []): Promise<void> {
  const [command = '', ...args] = [
    ...prefix,
    'setpriv',
    `--reuid=${uid}`,
    '--clear-groups',
    'sh',
    '-c',
    'echo runs; sleep 60',
  ];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
}

function sysWith(...interfaces: { name: string; device: boolean }[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'spillway-sys-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const { name, device } of interfaces) {
    mkdirSync(join(folder, 'class/net', name), { recursive: true });
    if (device) symlinkSync('../../../devices/virtio0', join(folder, 'class/net', name, 'device'));
    if (device) mkdirSync(join(folder, 'devices/virtio0'), { recursive: true });
  }
  return folder;
}

it('is not a pod with a network of its own', () => {
  const sysRoot = sysWith({ name: 'lo', device: false }, { name: 'eth0', device: false });
  expect(sharedHost({ ...here, sysRoot, inPod: true })).toBe(undefined);
  expect(sharedHost({ ...here, sysRoot: '/none', inPod: true })).toBe(undefined);
});

it('is a pod with the network of its node', () => {
  const sysRoot = sysWith({ name: 'lo', device: false }, { name: 'ens5', device: true });
  expect(sharedHost({ ...here, sysRoot, inPod: true })).toMatchObject({
    code: 'node_network',
    message: expect.stringContaining('ens5'),
  });
});

it.skipIf(!root)('is a machine where another user runs something', async () => {
  await processOf(23_456);
  expect(sharedHost(here)).toMatchObject({ code: 'other_user' });
});

it.skipIf(!root)('is none for the sake of the agent’s own user, or of one in another network', async () => {
  const child = spawn('setpriv', ['--reuid=23457', '--clear-groups', 'sh', '-c', 'echo runs; sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await processOf(23_458, ['unshare', '--net']);
  const found = sharedHost({ ...here, pid: child.pid ?? 0 });
  expect(found?.message ?? '').not.toMatch(/2345[78]/);
});
