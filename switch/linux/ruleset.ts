/**
 * castgate's nftables table, loaded once at the start; afterwards only elements of its sets change. It is
 * the second lock behind the bridge's own (locked ports, multicast database) and holds where that one is
 * open for a moment: a port that was just plugged in, snooping switched off, a querier not yet believed in.
 * All that a subscriber port sends or receives is denied unless one of these rules lets it:
 * - in: IGMP, MLD and PIM never (castgate reads them before the bridge does and answers for the bridge);
 *   frames of open hosts, and of these no multicast beyond the link;
 * - out: unicast to open hosts; broadcast and link-local multicast (neighbour discovery, RFC 4541 §2.1.2,
 *   §3) once a host is open; multicast of the channels that the port was given.
 * Queries are castgate's on these ports: those of an upstream router end here (taken in by the bridge they
 * would also make it ignore its database for their response time), and so do those the bridge itself makes.
 */

import { type IpAddress, ipBytes, ipFamily, type Mac, macBytes } from '../../wire/address.ts';
import { concatBytes } from '../../wire/bytes.ts';
import type { SetElement } from './nft.ts';

/** The table's name, in the family `bridge`. */
export const TABLE = 'castgate';

/** Names of the counters of what was refused; each is also a metric's label. */
export const refusalCounters = [
  'membership_reports',
  'pim',
  'strangers',
  'senders',
  'unknown_unicast',
  'unregistered',
  'vacant_ports',
  'upstream_queries',
  'bridge_queries',
] as const;

export type RefusalCounter = (typeof refusalCounters)[number];

/** Names of the sets. */
export const setNames = [
  'subscribers',
  'uplinks',
  'occupied',
  'hosts_in',
  'hosts_out',
  'channels4',
  'channels6',
] as const;

/** The table as `nft -f -` reads it; replaces one of an earlier run. */
export function ruleset(): string {
  return `add table bridge ${TABLE}\ndelete table bridge ${TABLE}\n${table()}`;
}

/** Name of an empty chain that tells which text a table was made of: another castgate's may differ. */
export function versionChain(): string {
  let hash = 0x811c9dc5;
  for (const octet of new TextEncoder().encode(rules())) hash = Math.imul(hash ^ octet, 0x01000193) >>> 0;
  return `made_of_${hash.toString(16).padStart(8, '0')}`;
}

function table(): string {
  return `table bridge ${TABLE} {\n  chain ${versionChain()} { }\n${rules()}}\n`;
}

function rules(): string {
  return `${refusalCounters.map((name) => `  counter ${name} { }`).join('\n')}
  set subscribers { type ifname; }
  set uplinks { type ifname; }
  set occupied { type ifname; }
  set hosts_in { type ifname . ether_addr; counter; }
  set hosts_out { type ifname . ether_addr; counter; }
  set channels4 { type ifname . ipv4_addr; counter; }
  set channels6 { type ifname . ipv6_addr; counter; }

  chain from_host {
    ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 accept
    ip daddr 224.0.0.0/4 ip daddr != 224.0.0.0/24 counter name senders drop
    ip6 daddr ff00::/8 ip6 daddr & ff0f:: != ff02:: counter name senders drop
    ether daddr != ff:ff:ff:ff:ff:ff meta protocol { 8021q, 8021ad } counter name senders drop
  }
  chain from_subscriber {
    ip protocol igmp counter name membership_reports drop
    ip6 nexthdr hopopt @nh,320,8 58 counter name membership_reports drop
    icmpv6 type { 130, 131, 132, 143 } counter name membership_reports drop
    meta l4proto pim counter name pim drop
    iifname . ether saddr @hosts_in goto from_host
    counter name strangers drop
  }
  chain from_uplink {
    igmp type membership-query counter name upstream_queries drop
    icmpv6 type mld-listener-query counter name upstream_queries drop
  }
  chain before_bridge {
    type filter hook prerouting priority -200; policy accept;
    iifname @subscribers goto from_subscriber
    iifname @uplinks goto from_uplink
  }

  chain from_bridge {
    type filter hook output priority -200; policy accept;
    igmp type membership-query oifname @subscribers counter name bridge_queries drop
    igmp type membership-query oifname @uplinks counter name bridge_queries drop
    icmpv6 type mld-listener-query oifname @subscribers counter name bridge_queries drop
    icmpv6 type mld-listener-query oifname @uplinks counter name bridge_queries drop
  }

  chain to_host {
    oifname . ether daddr @hosts_out accept
    counter name unknown_unicast drop
  }
  chain to_subscriber {
    ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 goto to_host
    oifname . ip daddr @channels4 accept
    oifname . ip6 daddr @channels6 accept
    oifname != @occupied counter name vacant_ports drop
    ether daddr ff:ff:ff:ff:ff:ff accept
    ip daddr 224.0.0.0/24 accept
    ip6 daddr & ff0f:: == ff02:: accept
    counter name unregistered drop
  }
  chain after_bridge {
    type filter hook postrouting priority 300; policy accept;
    oifname @subscribers goto to_subscriber
  }
`;
}

/** A port's element in `subscribers`, `uplinks` or `occupied`. */
export function portElement(set: 'subscribers' | 'uplinks' | 'occupied', port: string): SetElement {
  return { set, key: portKey(port) };
}

/** A host's elements in `hosts_in` and `hosts_out`, in this order. */
export function hostElements(port: string, mac: Mac): [SetElement, SetElement] {
  const key = new Uint8Array(NAME + 8);
  key.set(portKey(port));
  key.set(macBytes(mac) ?? [], NAME);
  return [
    { set: 'hosts_in', key },
    { set: 'hosts_out', key },
  ];
}

/** The element of a channel on a port. */
export function channelElement(port: string, group: IpAddress): SetElement {
  const address = ipBytes(group) ?? new Uint8Array(4);
  return { set: ipFamily(group) === 4 ? 'channels4' : 'channels6', key: concatBytes(portKey(port), address) };
}

/** An interface name as a set's key holds it: sixteen octets, filled with zeros. */
function portKey(port: string): Uint8Array {
  let key = portKeys.get(port);
  if (key === undefined) {
    key = new Uint8Array(NAME);
    key.set(new TextEncoder().encode(port).subarray(0, NAME - 1));
    portKeys.set(port, key);
  }
  return key;
}

/** One for each configured port. */
const portKeys = new Map<string, Uint8Array>();
/** IFNAMSIZ */
const NAME = 16;
