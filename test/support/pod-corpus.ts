import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import type { Pod } from '../../src/core/inject/pod.ts';
import type { ReviewResult } from '../../src/core/inject/review.ts';
import { podsOf } from '../../src/core/inject/workload.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/pods');
const RESULTS = ['injected', 'unchanged', 'declined', 'not-injected'] as const;

/** One workload with what is to come of it. */
export interface CorpusPod {
  /** The file's name without its ending, and the workload's own. */
  name: string;
  text: string;
  /** The whole object. */
  object: Record<string, unknown>;
  /** The pod or its template. */
  pod: Pod;
  path: readonly (string | number)[];
  expect: Exclude<ReviewResult, 'failed'>;
  /** How many warnings an injected pod comes with. */
  warns: number;
  /** Whether the agent gets the hook. */
  hook: boolean;
}

/** Every workload in `test/fixtures/pods`, in the order of their names. */
export function podCorpus(): CorpusPod[] {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml'));
  return files.sort().map((file) => {
    const text = readFileSync(join(FOLDER, file), 'utf8');
    const object = parseDocument(text).toJS() as Record<string, unknown>;
    const [place] = podsOf(object);
    const expected = RESULTS.find((result) => result === /^# expect: (.+)$/m.exec(text)?.[1]);
    if (!place || expected === undefined)
      throw new Error(`${file} holds no workload, or does not say what to expect`);
    const warns = Number(/^# warns: (\d+)$/m.exec(text)?.[1] ?? 0);
    return {
      name: file.replace('.yaml', ''),
      text,
      object,
      pod: place.pod,
      path: place.path,
      expect: expected,
      warns,
      hook: /^# hook: yes$/m.test(text),
    };
  });
}
