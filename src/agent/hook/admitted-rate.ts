import { later, nowMs } from './quiet.ts';

/** Requests are counted over so long a time. */
const COUNT_MS = 1000;

/** How many requests begin in a second, as of the last one: none once none has begun for so long. */
export class AdmittedRate {
  readonly #changed: () => void;
  #perSecond = 0;
  #begun = 0;
  #counting = false;

  /** @param changed is called when another second has been counted */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get perSecond(): number {
    return this.#perSecond;
  }

  /** A request begins. */
  add(): void {
    this.#begun++;
    if (!this.#counting) this.#count(nowMs());
  }

  #count(fromMs: number): void {
    this.#counting = true;
    later(COUNT_MS, () => {
      const now = nowMs();
      this.#perSecond = (this.#begun * 1000) / (now - fromMs);
      this.#counting = false;
      if (this.#begun > 0) this.#count(now);
      this.#begun = 0;
      this.#changed();
    });
  }
}
