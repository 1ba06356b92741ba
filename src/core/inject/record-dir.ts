/** Names of folders, none of them hidden or `..`. The policy reads both expressions, too. */
export const RECORD_DIR = '^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$';
/** What a volume in the sidecar would hide: the system's folders, the program, the token. */
export const SYSTEM_DIR =
  '^/(bin|boot|dev|etc|lib|lib32|lib64|opt/spillway|proc|run|sbin|sys|usr|var/run)(/|$)|^/(opt|var)$';
/** The kernel takes paths up to 4,096 bytes; what is written below it has a name, too. */
export const MAX_RECORD_DIR = 255;

/** What is wrong with a directory for a volume of the sidecar's. */
export function recordDirProblem(path: string): string | undefined {
  const fits = path.length <= MAX_RECORD_DIR && new RegExp(RECORD_DIR).test(path);
  if (fits && !new RegExp(SYSTEM_DIR).test(path)) return undefined;
  return 'no volume can be mounted there: write an absolute path outside system directories, such as /var/lib/spillway';
}
