import { containersOf } from './agent.ts';
import type { Container, Pod } from './pod.ts';

/** Inits that end at once where they are not process 1: s6-overlay's, systemd's and what stands in their place. */
export const INITS: readonly string[] = [
  ...['/init', '/sbin/init', '/usr/sbin/init', 'systemd'],
  ...['/lib/systemd/systemd', '/usr/lib/systemd/systemd'],
];
/** `kill -QUIT 1`, `kill -s TERM 1`, `kill 1`; the policy has the same expression, which must mean the same to RE2. */
export const KILLS_ONE = /(^|[^\w-])kill(\s+-[-\w]*(\s+[A-Z]+)?)*\s+1($|[^\w.])/;

/** A container whose command must be process 1: with a shared process namespace it would be another, and end. */
export function needsProcessOne(pod: Pod): { name: string; command: string } | undefined {
  // a pod that shares its namespace already has found out
  if (pod.spec?.shareProcessNamespace === true) return undefined;
  for (const { name, command } of containersOf(pod)) {
    const [program] = words(command);
    if (program !== undefined && INITS.includes(program)) return { name, command: program };
  }
  return undefined;
}

/** A container that signals process 1 by its number: with a shared process namespace that is the pod's `pause`. */
export function signalsProcessOne(pod: Pod): Container | undefined {
  if (pod.spec?.shareProcessNamespace === true) return undefined;
  return containersOf(pod).find(({ command, args, lifecycle }) =>
    [
      [...words(command), ...words(args)],
      words(lifecycle?.preStop?.exec?.command),
      words(lifecycle?.postStart?.exec?.command),
    ].some((line) => KILLS_ONE.test(line.join(' '))),
  );
}

/** A manifest that nobody has checked yet may have anything there. */
export function words(command: string[] | null | undefined): string[] {
  return Array.isArray(command) ? command : [];
}
