import { errnoOf, messageOf } from '../core/lib/errors.ts';
import { clean } from '../core/lib/text.ts';
import type { Constraint, ConstraintSource } from '../core/model/constraint.ts';
import { readAgentFile } from './agent-file.ts';

const READ_EVERY_MS = 250;
const MOST_BYTES = 64;
const HELPS: Constraint['helps'] = new Set(['shed']);

/**
 * Pressure that an operator or a test forces: a file with a number from 0 to 1. A missing file is no constraint; one with
 * anything else in it is none either, and is reported once until it is right again.
 */
export function createInjectedRatio(
  file: string | undefined,
  onProblem: (message: string) => void,
): ConstraintSource {
  let readMs = Number.NEGATIVE_INFINITY;
  let current: Constraint | null = null;
  let problem: string | undefined;
  const read = (path: string): Constraint | null => {
    const text = readAgentFile(path, MOST_BYTES, undefined, true)?.toString('latin1').trim();
    const used = text === undefined || text === '' ? Number.NaN : Number(text);
    if (!(used >= 0 && used <= 1))
      throw new Error(
        `${path} holds ${text === undefined ? `more than ${MOST_BYTES} bytes` : `"${clean(text, MOST_BYTES)}"`}; write a number from 0 to 1, or remove it`,
      );
    return { name: 'injected', used, limit: 1, unit: 'ratio', source: path, helps: HELPS };
  };
  return {
    read(nowMs) {
      if (file === undefined || nowMs - readMs < READ_EVERY_MS) return current;
      readMs = nowMs;
      let found: string | undefined;
      try {
        const next = read(file);
        if (next?.used !== current?.used) current = next;
      } catch (error) {
        current = null;
        if (errnoOf(error) !== 'ENOENT') found = `injected-ratio-file: ${messageOf(error)}`;
      }
      if (found !== undefined && found !== problem) onProblem(found);
      problem = found;
      return current;
    },
  };
}
