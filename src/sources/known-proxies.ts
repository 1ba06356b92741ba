import { PROXY_PROGRAMS } from '../core/inject/proxies.ts';
import { baseName, type ProcessRow } from './process-table.ts';

/** Whether a process is a known proxy, by its command: that can be read across users. */
export function isKnownProxy({ args }: Pick<ProcessRow, 'args'>): boolean {
  return PROXY_PROGRAMS.has(baseName(args[0] ?? ''));
}
