/** Who the subscribers of the upgrades are, and what they may watch. */

/** Groups in all. */
export const CHANNELS = 8;
export const PASSWORD = 'watching-paint-dry';

export function macOf(number: number): string {
  const hex = number.toString(16).padStart(4, '0');
  return `06:ca:57:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}`;
}

export function accountOf(number: number): string {
  return `viewer-${number}`;
}

export function channelOf(number: number): string {
  return `239.9.1.${1 + (number % CHANNELS)}`;
}
