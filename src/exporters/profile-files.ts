import { open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { snapshotDiskRoom } from '../core/gc/snapshot-room.ts';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';
import { makeDirectory } from './make-directory.ts';

/** How many files of one kind are kept. */
const KEEP = 10;

/** A file that is written piece by piece and counts only when it is whole. */
export interface KeptFile {
  readonly path: string;
  /** Bytes written so far. */
  readonly bytes: number;
  /** Resolves when the next piece may come. @throws SpillwayError `record` */
  write(piece: string | Uint8Array): Promise<void>;
  /** Gives the file its name; older ones of its kind beyond the last 10 are removed. @throws SpillwayError `record` */
  done(): Promise<void>;
  /** Leaves nothing behind of a file that is not done. */
  discard(): Promise<void>;
}

/**
 * Opens a file in the record directory, readable by its owner alone: what an agent held in memory is nobody else's business.
 * @param kind first part of the name: `profile`, `heap`
 * @param name rest of the name, with its ending
 * @throws SpillwayError `record`
 */
export async function keepFile(dir: string, kind: string, name: string): Promise<KeptFile> {
  const path = join(dir, `${kind}-${name}`);
  const part = `${path}.tmp`;
  const failed = (cause: unknown) =>
    new SpillwayError('record', `${path} cannot be written: ${messageOf(cause)}`, {
      hint: 'set --record-dir to a writable directory with free space',
      cause,
    });
  let bytes = 0;
  let whole = false;
  try {
    await makeDirectory(dir);
    const file = await open(part, 'w', 0o600);
    return {
      path,
      get bytes() {
        return bytes;
      },
      async write(piece) {
        try {
          await file.writeFile(piece);
          bytes += Buffer.byteLength(piece);
        } catch (error) {
          throw failed(error);
        }
      },
      async done() {
        try {
          await file.close();
          await rename(part, path);
          whole = true;
          const same = (await readdir(dir)).filter(
            (each) => each.startsWith(`${kind}-`) && !each.endsWith('.tmp'),
          );
          for (const old of same.sort().slice(0, -KEEP)) await rm(join(dir, old), { force: true });
        } catch (error) {
          throw failed(error);
        }
      },
      async discard() {
        if (whole) return;
        await file.close().catch(() => {}); // it is going away
        await rm(part, { force: true }).catch(() => {});
      },
    };
  } catch (error) {
    throw failed(error);
  }
}

/** Parts of files that were never done: a guardian that is killed leaves its own. */
const LEFTOVER = /^(heap|profile)-.+\.tmp$/;

/** Removes what an earlier guardian did not come to finish; call before files are kept, one guardian per directory. Never throws. */
export async function removeLeftovers(dir: string): Promise<void> {
  const names = await readdir(dir).catch(() => []); // made when the first file is kept
  for (const name of names.filter((each) => LEFTOVER.test(each))) await rm(join(dir, name)).catch(() => {});
}

/** Whether the directory has room for a heap snapshot: `ok`, or in words why not; `ok` also where nobody can tell. */
export async function roomForSnapshot(dir: string, heapUsedBytes: number): Promise<'ok' | string> {
  const disk = await statfs(dir).catch(() => undefined);
  if (!disk) return 'ok';
  const { bavail, blocks, bsize } = disk;
  return snapshotDiskRoom({ heapUsedBytes, freeBytes: bavail * bsize, totalBytes: blocks * bsize });
}

/** A time as it stands in names of files. */
function stamp(wallMs: number): string {
  return new Date(wallMs).toISOString().replaceAll(':', '-');
}

/** @returns the path of the file. @throws SpillwayError `record` */
export async function keepProfile(
  dir: string,
  { extension, content }: { extension: string; content: string | Uint8Array },
  wallMs: number,
): Promise<string> {
  const file = await keepFile(dir, 'profile', `${stamp(wallMs)}${extension}`);
  await file.write(content);
  await file.done();
  return file.path;
}

/** Streams a heap snapshot into a file where there is room for it. @throws SpillwayError */
export async function keepSnapshot(
  dir: string,
  wallMs: number,
  take: (file: {
    room(heapUsedBytes: number): ReturnType<typeof roomForSnapshot>;
    write(chunk: string): Promise<void>;
  }) => Promise<void>,
): Promise<{ file: string; bytes: number }> {
  const file = await keepFile(dir, 'heap', `${stamp(wallMs)}.heapsnapshot`);
  try {
    await take({
      room: (heapUsedBytes) => roomForSnapshot(dir, heapUsedBytes),
      write: (chunk) => file.write(chunk),
    });
    await file.done();
    return { file: file.path, bytes: file.bytes };
  } finally {
    await file.discard();
  }
}
