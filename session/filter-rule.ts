/**
 * Packet filters of sessions as plain data. `auth/filter/` reads them, the switch carries them out; what a rule
 * means is in RFC 6733 §4.3.1 (IPFilterRule).
 */
import type { IpAddress } from '../wire/address.ts';

/** The first rule of a direction that a packet matches decides. */
export interface FilterRule {
  readonly permit: boolean;
  /** `in`: from the host; `out`: to it. */
  readonly direction: 'in' | 'out';
  /** 0 to 255; undefined: any IP packet. */
  readonly protocol: number | undefined;
  readonly from: FilterEnd;
  readonly to: FilterEnd;
  /** Only fragments that are not the first of their packet. */
  readonly fragments?: boolean | undefined;
  readonly tcpFlags?: TcpFlags | undefined;
  /** 0 to 255 each; undefined: any type. */
  readonly icmpTypes?: readonly number[] | undefined;
}

/** Where a packet comes from, or goes to. */
export interface FilterEnd {
  /** Undefined: any address of both families. */
  readonly prefix: FilterPrefix | undefined;
  /** Empty: any port, and packets without ports. */
  readonly ports: readonly PortRange[];
}

export interface FilterPrefix {
  readonly address: IpAddress;
  /** 0..32 or 0..128. */
  readonly length: number;
  /** Every address but these, also all of the other family. */
  readonly inverted: boolean;
}

/** Both included, 0 to 65535. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Flags octet & `mask` is `value`, or (`differs`) is not. */
export interface TcpFlags {
  readonly mask: number;
  readonly value: number;
  readonly differs: boolean;
}

/** The filter of a session. Without rules of a direction, that direction is not filtered. */
export interface SessionFilter {
  /** Filter-Id of the server, in its order; empty where the rules themselves came. */
  readonly ids: readonly string[];
  readonly rules: readonly FilterRule[];
}

/** A packet that no rule matches: dropped where the last rule of its direction is a permit, else passed. */
export function passesUnmatched(rules: readonly FilterRule[], direction: FilterRule['direction']): boolean {
  return rules.filter((rule) => rule.direction === direction).at(-1)?.permit !== true;
}
