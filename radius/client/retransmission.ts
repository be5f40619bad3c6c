/**
 * How long to wait for an answer, RFC 5080 §2.2.1: the first wait, then twice the last one up to a limit, each
 * with a random part, so that many switches that lost the same server do not come back in step.
 */

/** The random part of every wait, RAND of RFC 5080 §2.2.1. */
export const JITTER = 0.1;

/** The first wait in milliseconds. `draw` is uniform in [0, 1). */
export function firstInterval(initialMs: number, draw: number, jitter = JITTER): number {
  return initialMs * (1 + spread(draw, jitter));
}

/** The wait after `last`. The limit gets its random part too, as in the RFC. */
export function nextInterval(last: number, maxMs: number, draw: number, jitter = JITTER): number {
  const doubled = last * (2 + spread(draw, jitter));
  return doubled > maxMs ? maxMs * (1 + spread(draw, jitter)) : doubled;
}

/** [0, 1) to [-jitter, +jitter). */
function spread(draw: number, jitter: number): number {
  return (2 * draw - 1) * jitter;
}
