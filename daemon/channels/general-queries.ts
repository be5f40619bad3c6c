/**
 * General queries as frames, made once for each port: the same one goes out whenever a host comes in, and every so
 * often to all. Two that are the same are the same array, by which the end of a turn knows that once is enough.
 */
import type { IpAddress, Mac } from '../../wire/address.ts';
import { type QueryTerms, queryFrame, senderOf } from './group-frames.ts';

/** Whose a query is, and what it says. */
export interface GeneralQuery {
  readonly mac: Mac;
  readonly bridge: Mac;
  readonly terms: QueryTerms;
  readonly family: 4 | 6;
  readonly maxResponseMs: number;
}

export class GeneralQueries {
  readonly #configured: { readonly address: IpAddress | undefined; readonly address6: IpAddress | undefined };
  readonly #frames = new Map<string, Uint8Array>();

  /** `configured`: the querier's own addresses, where it has some. */
  constructor(configured: {
    readonly address: IpAddress | undefined;
    readonly address6: IpAddress | undefined;
  }) {
    this.#configured = configured;
  }

  frame({ mac, bridge, terms, family, maxResponseMs }: GeneralQuery): Uint8Array {
    const { robustness, queryIntervalMs } = terms;
    const key = `${mac}/${bridge}/${family}/${maxResponseMs}/${robustness}/${queryIntervalMs}`;
    const known = this.#frames.get(key);
    if (known !== undefined) return known;
    const frame = queryFrame(senderOf(mac, bridge, this.#configured), terms, { family, maxResponseMs });
    // Ports come and go, and a querier elsewhere may say something else each time.
    if (this.#frames.size >= MOST_FRAMES) this.#frames.clear();
    this.#frames.set(key, frame);
    return frame;
  }
}

/** Two families, two waiting times and a few terms on each of some hundred ports. */
const MOST_FRAMES = 4096;
