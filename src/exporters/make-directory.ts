import { mkdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errnoOf } from '../core/lib/errors.ts';

/**
 * Makes a directory with its parents; one that is there already is fine. Not `recursive: true` of Node: that never comes
 * back below a directory that lists but cannot hold directories, such as `/proc` (Node 20 to 24).
 * @throws the system error
 */
export async function makeDirectory(path: string): Promise<void> {
  const make = () =>
    mkdir(path).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error;
    });
  try {
    await make();
  } catch (error) {
    const parent = dirname(resolve(path));
    if (errnoOf(error) !== 'ENOENT' || parent === resolve(path)) throw error;
    await makeDirectory(parent);
    await make();
  }
}
