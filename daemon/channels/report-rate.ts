/**
 * How many reports of a host and of a port are heard in a second: token buckets, a second's worth deep. One
 * token for a packet and for each further record in it; a packet of many records may run into debt, which is
 * paid before the next. In memory alone: after a takeover every bucket is full.
 */
import { LRUCache } from 'lru-cache';

/** Tokens in a second; 0: no limit. */
export interface ReportRates {
  readonly perHost: number;
  readonly perPort: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Who went over: a counter's label. */
export type RateRefusal = 'host-report-rate' | 'port-report-rate' | 'stranger-report-rate';

export class ReportRate {
  readonly #rates: ReportRates;
  /** Made with the first report: room for so many takes milliseconds, which a takeover has not. */
  #hosts: LRUCache<string, Bucket> | undefined;
  readonly #ports = new Map<string, Bucket>();
  /** Of those who are not in, by port. */
  readonly #strangers = new Map<string, Bucket>();

  constructor(rates: ReportRates) {
    this.#rates = rates;
  }

  /**
   * One who is not in reports: it is refused, which is worth saying now and then. Strangers of a port share a few
   * tokens, and take none of its others.
   */
  takeStranger(now: number, port: string): RateRefusal | undefined {
    if (this.#rates.perPort === 0) return undefined;
    let bucket = this.#strangers.get(port);
    if (bucket === undefined) {
      bucket = { tokens: STRANGERS, at: now };
      this.#strangers.set(port, bucket);
    }
    return spend(bucket, now, Math.min(STRANGERS, this.#rates.perPort)) ? undefined : 'stranger-report-rate';
  }

  /**
   * Takes one token of each; undefined: the packet is to be heard. The host is asked first: one that floods takes
   * nothing from its neighbours on the port.
   */
  take(now: number, port: string, host: string): RateRefusal | undefined {
    const { perHost, perPort } = this.#rates;
    if (perHost > 0 && !spend(this.#bucketOfHost(host, now), now, perHost)) return 'host-report-rate';
    if (perPort > 0 && !spend(this.#bucketOfPort(port, now), now, perPort)) return 'port-report-rate';
    return undefined;
  }

  /** The packet that was just taken holds more records than one. */
  charge(now: number, port: string, host: string, more: number): void {
    const { perHost, perPort } = this.#rates;
    if (more <= 0) return;
    if (perPort > 0) this.#bucketOfPort(port, now).tokens -= more;
    if (perHost > 0) this.#bucketOfHost(host, now).tokens -= more;
  }

  #bucketOfPort(port: string, now: number): Bucket {
    let bucket = this.#ports.get(port);
    if (bucket === undefined) {
      bucket = { tokens: this.#rates.perPort, at: now };
      this.#ports.set(port, bucket);
    }
    return bucket;
  }

  #bucketOfHost(host: string, now: number): Bucket {
    this.#hosts ??= new LRUCache<string, Bucket>({ max: HOSTS });
    let bucket = this.#hosts.get(host);
    if (bucket === undefined) {
      bucket = { tokens: this.#rates.perHost, at: now };
      this.#hosts.set(host, bucket);
    }
    return bucket;
  }
}

function spend(bucket: Bucket, now: number, rate: number): boolean {
  bucket.tokens = Math.min(rate, bucket.tokens + (rate * Math.max(0, now - bucket.at)) / 1000);
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens--;
  return true;
}

/** Reports in a second of all of a port's hosts that are not in. */
const STRANGERS = 20;
/** Hosts that are remembered: the longest silent goes first, and is forgiven. */
const HOSTS = 65_536;
