/**
 * Messages out of a stream of octets: where one ends, a function says that the owner of the connection gives. It
 * is the only thing that is known of the protocol (US7957269B2: demarcation).
 */
import { concatBytes } from '../wire/bytes.ts';

/**
 * The length of the message that begins here, itself included, at least 1; it may be longer than what is here.
 * `more`: too little is here to tell. `broken`: no message can begin so.
 */
export type Boundary = (octets: Uint8Array) => number | 'more' | 'broken';

export class Demarcation {
  readonly #boundary: Boundary;
  #rest: Uint8Array;
  #position: number;

  /** Goes on at a position, with the beginning of a message that came before it. */
  constructor(boundary: Boundary, position = 0, rest: Uint8Array = NOTHING) {
    this.#boundary = boundary;
    this.#position = position;
    this.#rest = rest;
  }

  /** Position behind the last octet that came. */
  get position(): number {
    return this.#position;
  }

  /** The beginning of a message that is not complete. */
  get rest(): Uint8Array {
    return this.#rest;
  }

  /** The messages that are complete now, as octets of their own; undefined where what came makes no sense. */
  push(octets: Uint8Array): Uint8Array[] | undefined {
    this.#position += octets.length;
    const all = this.#rest.length === 0 ? octets : concatBytes(this.#rest, octets);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (at < all.length) {
      const length = this.#boundary(all.subarray(at));
      if (length === 'more') break;
      if (length === 'broken' || length < 1) return undefined;
      if (length > all.length - at) break;
      messages.push(all.slice(at, at + length));
      at += length;
    }
    this.#rest = all.slice(at);
    return messages;
  }
}

const NOTHING = new Uint8Array(0);
