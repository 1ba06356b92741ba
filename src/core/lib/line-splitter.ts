import { SpillwayError } from './errors.ts';

/** Cuts what arrives in pieces into lines. Holds one unfinished line of bounded length. */
export class LineSplitter {
  readonly #most: number;
  /** Pieces of the line that has not ended: a long one is put together once. */
  #pieces: string[] = [];
  #length = 0;

  /** @param most characters in a line */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * The lines that have ended, without empty ones.
   * @throws SpillwayError `malformed` for a line that is longer than may be
   */
  push(text: string): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      this.#add(text.slice(from, end));
      from = end + 1;
      if (this.#length > 0) lines.push(this.#pieces.join(''));
      this.#pieces = [];
      this.#length = 0;
    }
    if (from < text.length) this.#add(text.slice(from));
    return lines;
  }

  #add(piece: string): void {
    this.#length += piece.length;
    if (this.#length > this.#most)
      throw new SpillwayError('malformed', `a line has more than ${this.#most} characters`);
    this.#pieces.push(piece);
  }
}
