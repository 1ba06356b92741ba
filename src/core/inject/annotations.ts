import type { AnnotationOptions, InjectConfig } from './config.ts';
import { AGENT_ANNOTATION, INJECT_LABEL, PREFIX, STATUS_ANNOTATION } from './names.ts';

/** Longest part of a value in a warning: kubectl shows 256 characters of each. */
const SHOWN = 40;

/**
 * Options from a pod's annotations, by flag and sorted by it. A value that the guardian would refuse is left out: it would
 * not start, and the pod with it.
 */
export function annotatedOptions(
  annotations: Readonly<Record<string, string>>,
  config: InjectConfig,
  options: AnnotationOptions,
): { values: Record<string, string>; warnings: string[] } {
  const warnings: string[] = [];
  const values: Record<string, string> = {};
  const ours = Object.entries(annotations).filter(([name]) => name.startsWith(PREFIX));
  for (const [name, value] of ours.sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (name === AGENT_ANNOTATION || name === STATUS_ANNOTATION) continue;
    const flag = name.slice(PREFIX.length);
    // in a manifest that nobody has checked yet: the API takes nothing but text
    if (typeof value !== 'string') warnings.push(`annotation ${name} is not used: put it in quotes`);
    else if (options.flags.has(flag)) values[flag] = value;
    else if (name === INJECT_LABEL) warnings.push(`${name} is a label: as an annotation it has no effect`);
    else warnings.push(`unknown annotation ${name}`);
  }
  // a second time: values may be wrong only beside one another
  for (let round = 0; round < 2; round++)
    for (const { flag, message } of options.problems(values, config.options)) {
      if (values[flag] === undefined) continue;
      warnings.push(`annotation ${PREFIX}${flag} is not used: ${message}`);
      delete values[flag];
    }
  return { values, warnings };
}

/** A text for a warning, cut. */
export function shown(text: string): string {
  const whole = String(text);
  return JSON.stringify(whole.length > SHOWN ? `${whole.slice(0, SHOWN)}…` : whole);
}
