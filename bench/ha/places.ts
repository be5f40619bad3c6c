/** Who the subscribers of the bench are, and which channels each watches. */
import type { IpAddress, Mac } from '../../wire/address.ts';

/** Groups in all. */
export const CHANNELS_IN_ALL = 256;

export function macOf(place: number): Mac {
  const hex = place.toString(16).padStart(6, '0');
  return `06:be:ef:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}`;
}

/** The first subscriber's first channel is the first of all: the one that the head-end sends. */
export function channelOf(place: number, i: number): IpAddress {
  return `239.7.1.${(place * 7 + i) % CHANNELS_IN_ALL}`;
}

/** What each speaks IGMP from. */
export function addressOf(place: number): IpAddress {
  return `10.${64 + (place >> 16)}.${(place >> 8) & 255}.${place & 255}`;
}
