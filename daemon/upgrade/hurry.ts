/** While nobody serves, other programs of a busy machine wait. */
import { getPriority, setPriority } from 'node:os';

let ordinary: number | undefined;

/** Before others, or as before. Without the right to do so, as ever. */
export function hurry(on: boolean): void {
  try {
    ordinary ??= getPriority();
    setPriority(on ? HIGH : ordinary);
  } catch {
    // It takes a little longer.
  }
}

const HIGH = -15;
