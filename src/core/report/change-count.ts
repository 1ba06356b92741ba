/** Counts up whenever one of some values is another than it was at the last question. */
export class ChangeCount {
  #seen: readonly unknown[] = [];
  #count = 0;

  /** @param values compared by identity: what changes in place does not count */
  of(values: readonly unknown[]): number {
    const seen = this.#seen;
    if (values.length !== seen.length || values.some((value, i) => value !== seen[i])) this.#count++;
    this.#seen = values;
    return this.#count;
  }
}
