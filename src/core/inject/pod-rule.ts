/**
 * A rule about pods, in TypeScript for `spillway inject` and the webhook, and in CEL for the admission policies, which
 * `npm run docs` renders from here. A test on a cluster holds both to the same results.
 */
export interface PodRule<Facts> {
  /** What is said where the rule applies; each `{}` stands for a subject. */
  says: string;
  /** The subjects where it applies; `undefined` where it does not. */
  subjects(facts: Facts): readonly string[] | undefined;
  /** When it applies, and its subjects, over the variables of `_injection.tpl`; absent where the API server refuses such a pod. */
  cel?: readonly [when: string, ...subjects: string[]];
}

/** What a rule says of something; `undefined` where it does not apply. */
export function saidBy<Facts>({ says, subjects }: PodRule<Facts>, facts: Facts): string | undefined {
  const found = subjects(facts);
  if (found === undefined) return undefined;
  const rest = [...found];
  return says.replaceAll('{}', () => rest.shift() ?? '');
}

/** The subjects of a rule that names none. */
export function given(applies: boolean): [] | undefined {
  return applies ? [] : undefined;
}

/** The rules as CEL: when each applies, and an expression for what it says. */
export function celOf<Facts>(rules: readonly PodRule<Facts>[]): { when: string; says: string }[] {
  return rules.flatMap(({ says, cel }) => {
    if (cel === undefined) return [];
    const [when, ...subjects] = cel;
    const parts = says.split('{}').flatMap((text, i) => {
      const subject = subjects[i];
      return [...(text === '' ? [] : [JSON.stringify(text)]), ...(subject === undefined ? [] : [subject])];
    });
    return [{ when, says: parts.join(' + ') }];
  });
}
