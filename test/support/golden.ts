import { expect, it } from 'vitest';

/**
 * The sentences of one module, a line each, in `__snapshots__` beside the test: the only place where tests hold them whole.
 * Everything else asserts codes.
 */
export function golden(
  module: string,
  sentences: () => readonly string[] | Promise<readonly string[]>,
): void {
  it(`the sentences of ${module}`, async () => {
    await expect(`${(await sentences()).join('\n')}\n`).toMatchFileSnapshot(`__snapshots__/${module}.txt`);
  });
}
