/**
 * A virtual address that is here without a word of keepalived: the word was lost, or this daemon began after it.
 */
import { networkInterfaces } from 'node:os';
import type { RadiusConfig } from '../../config/config.ts';
import { AddressWatch } from '../../switch/linux/link/address-watch.ts';

export class AddressLookout {
  readonly #now: () => number;
  #since: number | undefined;
  #watch: AddressWatch | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** True once where an address that RADIUS is asked from has been here for a while. Called about once a second. */
  look(radius: RadiusConfig): boolean {
    if (!this.isHere(radius)) {
      this.forget();
      return false;
    }
    this.#since ??= this.#now();
    if (this.#now() - this.#since < PATIENCE_MS) return false;
    this.forget();
    return true;
  }

  /** Calls back whenever this machine has got an address, until `close`. */
  watch(got: () => void): void {
    this.#watch = new AddressWatch(got);
  }

  close(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }

  /** An address that RADIUS is asked from is this machine's. */
  isHere({ servers }: RadiusConfig): boolean {
    const local = new Set(
      Object.values(networkInterfaces()).flatMap((all) => all?.map((one) => one.address)),
    );
    return servers.some((server) => local.has(server.sourceAddress));
  }

  /** It is known why it is here. */
  forget(): void {
    this.#since = undefined;
  }
}

/** For the word that comes with it. */
const PATIENCE_MS = 1_500;
