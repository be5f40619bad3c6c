/** A run has shown something that must never be. */
export class Violation extends Error {}

/** Ends the run where the condition does not hold. */
export function must(condition: boolean, what: () => string): asserts condition {
  if (!condition) throw new Violation(what());
}
