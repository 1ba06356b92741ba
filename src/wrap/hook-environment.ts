import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { messageOf } from '../core/lib/errors.ts';
import { HOOK_DIR_ENV, HOOK_FILES } from '../core/model/hook-files.ts';
import { putHook } from '../sources/hook/directory.ts';
import { isOrphaned, ownerName } from './owner.ts';

/** A directory for the hook of one run. */
export interface HookPlace {
  directory: string;
  /** What the command's environment has beside its own. */
  environment: NodeJS.ProcessEnv;
  remove(): void;
}

const PROC = '/proc';
/** Under these (policies: until Node 20) Node reads no file that it was not allowed to, and does not start when it is asked for one. */
const PERMISSION = /(?:^|[\s"'=])--(?:permission|experimental[-_](?:permission|policy))(?=$|[\s"'=])/;
/** A socket's path has at most 107 bytes: the name of the socket comes behind the directory. */
const MOST_BYTES = 90;

/**
 * Prepares the hook for a command: a directory that nobody else can enter, and `NODE_OPTIONS` that load the hook's file.
 * @param given the directory, where the user has set one
 * @returns in words why there is none: no command may fail to start for want of it
 */
export function prepareHook(
  register: string,
  { env, command, given }: { env: NodeJS.ProcessEnv; command: readonly string[]; given?: string | undefined },
): HookPlace | string {
  const options = env['NODE_OPTIONS'] ?? '';
  if ([options, ...command].some((text) => PERMISSION.test(text)))
    return 'Node loads no file under its permission model or a policy';
  try {
    accessSync(register, constants.R_OK);
    // what root starts may go on as another user, and Node does not start without the file
    const copied = process.geteuid?.() === 0 && !isReadableByAll(register);
    const directory = given ?? makeDirectory(copied ? tmpdir() : placeOf(env));
    const isNew = given === undefined || !existsSync(directory);
    if (isNew) mkdirSync(directory, { mode: 0o700, recursive: true });
    const file = copied ? copyInto(directory, register, isNew) : register;
    const remove = () => {
      if (given === undefined) rmSync(directory, { recursive: true, force: true });
    };
    const flag = requireFlag(file);
    const isPublic = !copied || isReadableByAll(file);
    if (flag !== undefined && isPublic && Buffer.byteLength(directory) <= MOST_BYTES) {
      // before the command's own: who keeps one `--require` of several, as Next.js does up to 15, keeps the last
      const NODE_OPTIONS = options === '' ? flag : `${flag} ${options}`;
      const environment = { [HOOK_DIR_ENV]: directory, NODE_OPTIONS };
      return { directory, environment, remove };
    }
    remove();
    if (flag === undefined) return `NODE_OPTIONS cannot name ${file}`;
    return isPublic
      ? `${directory} is too long for a socket`
      : `other users cannot read ${file}, and the command may go on as one of them`;
  } catch (error) {
    return messageOf(error);
  }
}

/** By its own mode and those of all directories above, as named and as links lead to it. */
function isReadableByAll(file: string): boolean {
  const may = (path: string, mode: number) => (statSync(path).mode & mode) === mode;
  const isOpen = (directory: string): boolean =>
    may(directory, constants.S_IXOTH) && (dirname(directory) === directory || isOpen(dirname(directory)));
  return (
    may(file, constants.S_IROTH) && isOpen(dirname(resolve(file))) && isOpen(dirname(realpathSync(file)))
  );
}

/** The hook's file in a directory that others enter, too: the socket in it stays this user's own. */
function copyInto(directory: string, register: string, isNew: boolean): string {
  if (isNew) chmodSync(directory, 0o755);
  putHook(directory, register);
  return join(directory, HOOK_FILES.register);
}

/** As Node splits `NODE_OPTIONS`: by blanks, with double quotes around a word, and a backslash before a quote or backslash in it. */
function requireFlag(file: string): string | undefined {
  if (/[\0\n\r]/.test(file)) return undefined;
  return /[\s"\\]/.test(file) ? `"--require=${file.replace(/["\\]/g, '\\$&')}"` : `--require=${file}`;
}

/** One that only this user enters; those of guardians that were killed are removed. */
function makeDirectory(place: string): string {
  removeOrphans(place);
  return mkdtempSync(join(place, `${ownerName(PROC) ?? 'spillway'}-`));
}

/** Only this user's own: what a stranger owns, he could exchange for something else meanwhile. */
function removeOrphans(place: string): void {
  try {
    for (const name of readdirSync(place)) {
      const path = join(place, name);
      if (isOrphaned(name.replace(/-\w{6}$/, ''), PROC) && lstatSync(path).uid === process.geteuid?.())
        rmSync(path, { recursive: true, force: true });
    }
  } catch {
    // another guardian removes the same, or the place may not be listed: the next run removes what is left
  }
}

/** Where only this user gets, if there is such a place. */
function placeOf(env: NodeJS.ProcessEnv): string {
  const own = env['XDG_RUNTIME_DIR'];
  try {
    if (own) accessSync(own, constants.W_OK | constants.X_OK);
  } catch {
    return tmpdir();
  }
  return own || tmpdir();
}
