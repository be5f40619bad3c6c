/** What a node of two knows of the other one, beside its records: its claims, its link, and whether it is out. */
import type { Config, HaConfig } from '../../config/config.ts';
import type { SwitchEvent } from '../../switch/switch.ts';
import { decodeEthernet } from '../../wire/ethernet.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { CLAIM_ETHER_TYPE, type Claim, decodeClaim } from './claim.ts';

export class OtherNode {
  readonly #now: () => number;
  /** Since when this node has not served; nothing that was heard before counts as a sign of life. */
  #standingSince: number;
  #claim: (Claim & { readonly heardAt: number }) | undefined;
  #isOut = false;
  #brokenAt: number | undefined;

  constructor(now: () => number) {
    this.#now = now;
    this.#standingSince = now();
  }

  /** Its last claim. */
  get claim(): (Claim & { readonly heardAt: number }) | undefined {
    return this.#claim;
  }

  /** It serves no more for certain: it said so, or its process is gone. */
  get isOut(): boolean {
    return this.#isOut;
  }

  /** When the link to it, while it served, broke without a goodbye; undefined once it was heard again. */
  get brokenAt(): number | undefined {
    return this.#brokenAt;
  }

  /** True where an event was a claim, or pretended to be one; `heard` is given one of the other node. */
  takes(
    event: SwitchEvent,
    { ha, uplinks }: Pick<Config & { readonly ha: HaConfig }, 'ha' | 'uplinks'>,
    heard: (claim: Claim) => void,
  ): boolean {
    if (event.kind !== 'frame' || !uplinks.includes(event.port)) return false;
    const frame = decodeEthernet(event.frame);
    if (isMalformed(frame) || frame.etherType !== CLAIM_ETHER_TYPE) return false;
    const claim = decodeClaim(frame.payload, ha.key);
    // One that is older than the last was heard before.
    if (claim === undefined || claim.node === ha.node || claim.at < (this.#claim?.at ?? 0)) return true;
    this.#claim = { ...claim, heardAt: this.#now() };
    heard(claim);
    return true;
  }

  /** When it last gave a sign of life; the time since which this node stands by where it never did. */
  lastSign(heardOnLinkAt: number): number {
    return Math.max(heardOnLinkAt, this.#claim?.heardAt ?? 0, this.#standingSince);
  }

  /** Its claim is not older than this. */
  claimsWithin(ms: number): boolean {
    return this.#now() - (this.#claim?.heardAt ?? 0) < ms;
  }

  /** The link to it broke without a goodbye. */
  broke(): void {
    this.#brokenAt = this.#now();
  }

  /** It said that it serves. */
  serves(): void {
    this.#brokenAt = undefined;
    this.#isOut = false;
  }

  /** It said that it serves no more. */
  released(): void {
    this.#brokenAt = undefined;
    this.#isOut = true;
  }

  /** Its process is gone. */
  died(): void {
    this.#isOut = true;
  }

  /** This node serves from now on. */
  replaced(): void {
    this.serves();
    this.#claim = undefined;
  }

  /** This node stands by from now on. */
  stoodBy(): void {
    this.serves();
    this.#standingSince = this.#now();
  }
}
