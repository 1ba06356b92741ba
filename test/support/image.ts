import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const ARCHIVE = process.env['TEST_IMAGE_ARCHIVE'];

/** What is missing here for tests of the image, in words. */
export const LACKS_IMAGE =
  ARCHIVE === undefined
    ? 'TEST_IMAGE_ARCHIVE names no OCI archive (npm run image makes one)'
    : existsSync(ARCHIVE)
      ? undefined
      : `${ARCHIVE} is not there`;
/** What is missing here to run it. */
export const LACKS_RUN = LACKS_IMAGE ?? (process.getuid?.() === 0 ? undefined : 'another root takes root');

/** One entry of the image's files, as `tar` lists it. */
export interface Entry {
  /** As `ls -l` writes it: `-rwxr-xr-x`. */
  mode: string;
  owner: string;
  bytes: number;
  path: string;
  /** Where a symbolic link leads. */
  target: string | undefined;
}

/** What a container runtime is told of the image. */
export interface ImageConfig {
  created: string;
  config: {
    User: string;
    Env: string[];
    Entrypoint: string[];
    Cmd: string[];
    Labels: Record<string, string>;
    Healthcheck?: unknown;
    Volumes?: unknown;
  };
}

/** The image unpacked, to be looked at and to be run. */
export interface Image {
  config: ImageConfig;
  entries: Entry[];
  /** Folder with its files; mount points that a container runtime would add are made. */
  root: string;
  /** Bytes of its compressed layers. */
  layerBytes: number;
  remove(): void;
}

/** Unpacks the archive, onto a disk: pages of what lies in memory are charged to who wrote it. The folder outlives a test: call `remove`. */
export function unpackImage(): Image {
  const folder = mkdtempSync(join(PROJECT, 'node_modules/.image-'));
  chmodSync(folder, 0o755); // what runs as another user must get in
  const blob = (digest: string) => join(folder, 'oci/blobs', digest.replace(':', '/'));
  const json = <T>(file: string) => JSON.parse(readFileSync(file, 'utf8')) as T;
  const tar = (...args: string[]) => execFileSync('tar', args, { encoding: 'utf8', maxBuffer: 2 ** 24 });
  mkdirSync(join(folder, 'oci'));
  tar('-xf', ARCHIVE ?? '', '-C', join(folder, 'oci'));
  const index = json<{ manifests: { digest: string }[] }>(join(folder, 'oci/index.json'));
  const manifest = json<{ config: { digest: string }; layers: { digest: string; size: number }[] }>(
    blob(index.manifests[0]?.digest ?? ''),
  );
  const root = join(folder, 'root');
  mkdirSync(root);
  const entries = manifest.layers.flatMap(({ digest }) => {
    tar('-xpf', blob(digest), '-C', root);
    return tar('--numeric-owner', '-tvf', blob(digest)).trim().split('\n').map(parseEntry);
  });
  for (const name of ['proc', 'dev', 'sys', 'etc']) mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost\n192.0.2.7 alias.example\n');
  return {
    config: json(blob(manifest.config.digest)),
    entries,
    root,
    layerBytes: manifest.layers.reduce((sum, { size }) => sum + size, 0),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function parseEntry(line: string): Entry {
  const [, mode = '', owner = '', bytes, name = ''] = /^(\S+) +(\S+) +(\d+) \S+ \S+ (.*)$/.exec(line) ?? [];
  const [path = '', target] = name.split(' -> ');
  return { mode, owner, bytes: Number(bytes), path, target };
}

/** A command in front of another that runs this in the image: read-only root, no capabilities, environment of the image. */
export function inImage(
  image: Image,
  { uid = 65532, env = {} }: { uid?: number; env?: Record<string, string> } = {},
) {
  const { root, config } = image;
  const mounts = [
    `mount --bind ${root} ${root}`,
    `mount -o remount,bind,ro ${root}`,
    `mount --rbind /proc ${root}/proc`,
    `mount --rbind /sys ${root}/sys`,
    `mount --bind /dev ${root}/dev`,
  ].join(' && ');
  const set = [...config.config.Env, ...Object.entries(env).map(([key, value]) => `${key}=${value}`)];
  return [
    ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c'],
    // to change the root takes a capability: the change of the user takes them all away, and this takes the way back
    `${mounts} && exec setpriv --no-new-privs "$@"`,
    'sh',
    ...['env', '-i', ...set, '/usr/sbin/chroot', `--userspec=${uid}:${uid}`, '--groups=', root],
  ];
}
