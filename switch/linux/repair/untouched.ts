/**
 * Whether castgate's sets can have changed since they were looked at. They change by commits alone, which the kernel
 * counts: where nobody else has made one since they were right, they are right still. Pure.
 */

/** Commits of others until now, by a number of which only sameness means something; undefined: it cannot be told. */
export type OthersCommits = number | undefined;

export class Untouched {
  readonly #mostTrusted: number;
  #rightAt: OthersCommits;
  #trusted = 0;

  /**
   * `mostTrusted`: how many looks in a row are left out at most. A commit of castgate's that changed nothing has no number
   * in the kernel, and so can hide one of somebody else.
   */
  constructor(mostTrusted: number) {
    this.#mostTrusted = mostTrusted;
  }

  /** True where a look can be left out; else the next one counts anew. */
  isRight(others: OthersCommits): boolean {
    if (others !== undefined && others === this.#rightAt && this.#trusted < this.#mostTrusted) {
      this.#trusted++;
      return true;
    }
    this.#trusted = 0;
    this.#rightAt = undefined;
    return false;
  }

  /** A look that began at `others` has found nothing wrong. */
  foundRight(others: OthersCommits): void {
    this.#rightAt = others;
  }
}
