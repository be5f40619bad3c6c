/**
 * How fast hosts may begin to log in, so that a flood of EAPOL from made-up addresses costs little and keeps
 * nobody out who has been in before. Buckets of tokens: a port has a rate of its own, and each port a part of the
 * switch's rate that no other port can use up; the rest is for whoever comes first. A host that was in before has
 * a bucket to itself and needs nobody else's. Buckets are no records: after a takeover they are full.
 */

export interface LoginPaceOptions {
  /** Strangers that may begin on one port, a second. */
  readonly perPort: number;
  /** Strangers that may begin on the whole switch, a second. */
  readonly whole: number;
  /** Ports among which half of that is shared out. */
  readonly ports: number;
}

export class LoginPace {
  readonly #options: LoginPaceOptions;
  readonly #shared: Bucket;
  readonly #ports = new Map<string, { readonly own: Bucket; readonly share: Bucket }>();
  /** By host, the latest last. */
  readonly #hosts = new Map<string, Bucket>();

  constructor(options: LoginPaceOptions) {
    this.#options = options;
    this.#shared = new Bucket(options.whole / 2);
  }

  /** Whether a host that was never in may begin on the port now. */
  admitsStranger(now: number, port: string): boolean {
    const { own, share } = this.#bucketsOf(port);
    if (!own.has(now)) return false;
    if (!share.take(now) && !this.#shared.take(now)) return false;
    return own.take(now);
  }

  /** Whether a host that is known here, or was in before, may begin anew now. */
  admitsHost(now: number, host: string): boolean {
    let bucket = this.#hosts.get(host);
    if (bucket === undefined) {
      bucket = new Bucket(PER_HOST);
      const [oldest] = this.#hosts.keys();
      if (this.#hosts.size >= HOSTS && oldest !== undefined) this.#hosts.delete(oldest);
    } else this.#hosts.delete(host);
    this.#hosts.set(host, bucket);
    return bucket.take(now);
  }

  #bucketsOf(port: string): { readonly own: Bucket; readonly share: Bucket } {
    let found = this.#ports.get(port);
    if (found === undefined) {
      const { perPort, whole, ports } = this.#options;
      found = { own: new Bucket(perPort), share: new Bucket(whole / 2 / Math.max(1, ports)) };
      this.#ports.set(port, found);
    }
    return found;
  }
}

/** Fills at a rate a second, up to two seconds' worth and never less than one token. */
class Bucket {
  readonly #rate: number;
  readonly #most: number;
  #tokens: number;
  #at = Number.NEGATIVE_INFINITY;

  constructor(rate: number) {
    this.#rate = rate;
    this.#most = Math.max(1, BURST_S * rate);
    this.#tokens = this.#most;
  }

  has(now: number): boolean {
    // A clock that was set back fills nothing and takes nothing away.
    if (now > this.#at) {
      const filled = this.#at === Number.NEGATIVE_INFINITY ? 0 : ((now - this.#at) * this.#rate) / 1000;
      this.#tokens = Math.min(this.#most, this.#tokens + filled);
      this.#at = now;
    }
    return this.#tokens >= 1;
  }

  take(now: number): boolean {
    if (!this.has(now)) return false;
    this.#tokens -= 1;
    return true;
  }
}

const BURST_S = 2;
/** A host begins anew so often a second, at most; a supplicant does it once in seconds. */
const PER_HOST = 5;
/** Hosts whose bucket is remembered. */
const HOSTS = 4096;
