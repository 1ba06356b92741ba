import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const SCRIPT = join(import.meta.dirname, '../../.ci/image');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spillway-image-'));
  for (const name of ['bash', 'dirname', 'sed', 'git', 'rm'])
    symlinkSync(
      spawnSync('sh', ['-c', `command -v ${name}`])
        .stdout.toString()
        .trim(),
      join(folder, name),
    );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A tool that only prints what it is asked for. */
function tool(name: string, body = ''): void {
  writeFileSync(join(folder, name), `#!${join(folder, 'bash')}\n${body}\necho "${name} $*"\n`);
  chmodSync(join(folder, name), 0o755);
}

function build(env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(join(folder, 'bash'), [SCRIPT, join(folder, 'out.tar')], {
    env: { PATH: folder, ...env },
    encoding: 'utf8',
  });
  return { status, out: stdout.trim(), err: stderr };
}

it('builds with the tool that is here, says which, and prints the archive last', () => {
  tool('podman');
  const { status, out, err } = build();
  expect({ status, out }).toEqual({ status: 0, out: join(folder, 'out.tar') });
  expect(err).toContain('building with podman');
  expect(err).toMatch(/podman build .* -t localhost\/spillway:dev \.\n/);
  expect(err).toMatch(/podman save .*--format oci-archive -o .*out\.tar/);
});

it('takes no docker without its daemon', () => {
  tool('docker', '[ "$1" != info ] || exit 1');
  const { status, err } = build();
  expect(status).toBe(1);
  expect(err).toContain('none of buildah, podman and docker (with its daemon running) is here');
  tool('docker');
  expect(build().err).toMatch(/building with docker\ndocker build [\s\S]*docker save -o .*out\.tar/);
});

it('takes the one that is asked for', () => {
  for (const name of ['buildah', 'podman', 'docker']) tool(name);
  expect(build().err).toContain('building with buildah');
  expect(build({ IMAGE_TOOL: 'docker' }).err).toContain('building with docker');
  expect(build({ IMAGE_TOOL: 'kaniko' })).toMatchObject({
    status: 1,
    err: expect.stringContaining('IMAGE_TOOL=kaniko is none of buildah, podman, docker'),
  });
});
