/**
 * Packet filters of hosts as chains of castgate's table. A chain is named after what is in it, so hosts with the same
 * rules share it, and one that an earlier run left is known again. The maps `filters_in` and `filters_out` lead a
 * host's packets there: a permit comes back to where all hosts' packets go on, a deny ends the packet. What IP needs
 * on the link itself passes every filter: ARP, and neighbour discovery with hop limit 255. A packet whose headers
 * cannot be read to the end passes none (chain `readable` of ruleset.ts), nor do other protocols than IP where
 * unmatched packets are dropped.
 */
import { createHash } from 'node:crypto';
import {
  type FilterPrefix,
  type FilterRule,
  type PortRange,
  passesUnmatched,
} from '../../../session/filter-rule.ts';
import { ipBytes, ipFamily, type Mac } from '../../../wire/address.ts';
import { MessageWriter } from '../netlink/message.ts';
import type { SetElement } from '../netlink/nft.ts';
import {
  compare,
  countIn,
  type FilterChain,
  loadFragmentHeader,
  loadHeader,
  loadMetaOf,
  mask,
  putFilterChain,
  verdictOf,
  within,
} from '../netlink/nft-filter.ts';
import type { Expression } from '../netlink/nft-table.ts';
import { hostKeyOf } from '../port/port-key.ts';

export const FILTER_MAPS = ['filters_in', 'filters_out'] as const;

/** Begins the names of all chains of filters, and of no others. */
export const FILTER_CHAIN = 'filter_';
/** The chain of ruleset.ts for packets whose headers cannot be read. */
export const READABLE_CHAIN = 'readable';

/** The chains of a filter: one for each direction that it has rules of. */
export interface CompiledFilter {
  readonly in: FilterChain | undefined;
  readonly out: FilterChain | undefined;
}

/** The rules as chains. */
export function compileFilter(rules: readonly FilterRule[]): CompiledFilter {
  let compiled = COMPILED.get(rules);
  if (compiled === undefined) {
    compiled = { in: chainOf(rules, 'in'), out: chainOf(rules, 'out') };
    COMPILED.set(rules, compiled);
  }
  return compiled;
}

export function chainsOf(rules: readonly FilterRule[] | undefined): FilterChain[] {
  if (rules === undefined) return [];
  const compiled = compileFilter(rules);
  return [compiled.in, compiled.out].filter((chain) => chain !== undefined);
}

/** The elements that lead a host's packets to its filter. */
export function* filterElements(
  port: string,
  mac: Mac,
  rules: readonly FilterRule[] | undefined,
): Generator<SetElement> {
  if (rules === undefined) return;
  const compiled = compileFilter(rules);
  const key = hostKeyOf(port, mac);
  if (compiled.in !== undefined) yield { set: 'filters_in', key, chain: compiled.in.name };
  if (compiled.out !== undefined) yield { set: 'filters_out', key, chain: compiled.out.name };
}

function chainOf(rules: readonly FilterRule[], direction: 'in' | 'out'): FilterChain | undefined {
  const own = rules.filter((rule) => rule.direction === direction);
  if (own.length === 0) return undefined;
  const made: Expression[][] = [
    ...(direction === 'in' ? FROM_HOST : TO_HOST),
    [verdictOf({ jump: READABLE_CHAIN })],
  ];
  for (const rule of own) {
    const verdict = rule.permit ? [verdictOf('back')] : DENY;
    for (const matches of matchesOf(rule)) made.push([...matches, ...verdict]);
  }
  if (!passesUnmatched(rules, direction)) made.push([...DENY]);
  const written = new MessageWriter();
  putFilterChain(written, '', { name: '', rules: made });
  const hash = createHash('sha256').update(written.bytes()).digest('hex').slice(0, HASH_DIGITS);
  return { name: `${FILTER_CHAIN}${direction}_${hash}`, rules: made };
}

/** All that a rule matches, each as the expressions of one rule of the kernel. */
function* matchesOf(rule: FilterRule): Generator<Expression[]> {
  const { protocol, from, to, fragments, tcpFlags, icmpTypes } = rule;
  const asksFamily =
    protocol === undefined || from.prefix !== undefined || to.prefix !== undefined || fragments === true;
  for (const family of asksFamily ? ([4, 6] as const) : [undefined]) {
    const source = addressMatch(from.prefix, family, 'source');
    const destination = addressMatch(to.prefix, family, 'destination');
    if (source === undefined || destination === undefined) continue;
    const common: Expression[] = [
      ...(family === undefined ? [] : [loadMetaOf('protocol'), compare('is', ETHER_TYPES[family])]),
      ...(protocol === undefined ? [] : [loadMetaOf('l4proto'), compare('is', octet(protocol))]),
      ...source,
      ...destination,
      ...(fragments === true ? laterFragment(family ?? 4) : []),
      ...(tcpFlags === undefined
        ? []
        : [
            loadHeader('transport', TCP_FLAGS, 1),
            mask(octet(tcpFlags.mask)),
            compare(tcpFlags.differs ? 'is-not' : 'is', octet(tcpFlags.value)),
          ]),
    ];
    for (const sourcePort of orAny(from.ports)) {
      for (const destinationPort of orAny(to.ports)) {
        for (const type of orAny(icmpTypes ?? [])) {
          yield [
            ...common,
            ...portMatch(sourcePort, 0),
            ...portMatch(destinationPort, 2),
            ...(type === undefined ? [] : [loadHeader('transport', 0, 1), compare('is', octet(type))]),
          ];
        }
      }
    }
  }
}

/** Undefined where packets of the family cannot match; no family: no address was asked for. */
function addressMatch(
  prefix: FilterPrefix | undefined,
  family: 4 | 6 | undefined,
  end: 'source' | 'destination',
): Expression[] | undefined {
  if (prefix === undefined || family === undefined) return [];
  const isOther = ipFamily(prefix.address) !== family;
  if (isOther) return prefix.inverted ? [] : undefined;
  if (prefix.length === 0) return [];
  const address = ipBytes(prefix.address) ?? new Uint8Array();
  const bits = address.map((_, i) => 0xff & ~(0xff >> Math.max(0, Math.min(8, prefix.length - 8 * i))));
  const offset = ADDRESS_OFFSETS[family][end];
  return [
    loadHeader('network', offset, address.length),
    ...(prefix.length === address.length * 8 ? [] : [mask(bits)]),
    compare(prefix.inverted ? 'is-not' : 'is', address),
  ];
}

function portMatch(range: PortRange | undefined, offset: number): Expression[] {
  if (range === undefined) return [];
  const load = loadHeader('transport', offset, 2);
  const { first, last } = range;
  return [load, first === last ? compare('is', pair(first)) : within(pair(first), pair(last))];
}

/** A fragment that is not the first of its packet. */
function laterFragment(family: 4 | 6): Expression[] {
  const load = family === 4 ? loadHeader('network', 6, 2) : loadFragmentHeader(2, 2);
  return [load, mask(pair(family === 4 ? 0x1fff : 0xfff8)), compare('is-not', pair(0))];
}

function orAny<T>(list: readonly T[]): readonly (T | undefined)[] {
  return list.length === 0 ? [undefined] : list;
}

function octet(value: number): Uint8Array {
  return Uint8Array.of(value);
}

function pair(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

/** Neighbour discovery (RFC 4861) with these types of ICMPv6, which no router has forwarded. */
function neighbourDiscovery(first: number, last: number): Expression[] {
  return [
    loadMetaOf('protocol'),
    compare('is', pair(0x86dd)),
    loadHeader('network', 7, 1),
    compare('is', octet(255)),
    loadMetaOf('l4proto'),
    compare('is', octet(58)),
    loadHeader('transport', 0, 1),
    within(octet(first), octet(last)),
    verdictOf('back'),
  ];
}

const COMPILED = new WeakMap<readonly FilterRule[], CompiledFilter>();
const HASH_DIGITS = 20;
const ETHER_TYPES = { 4: pair(0x0800), 6: pair(0x86dd) } as const;
const ADDRESS_OFFSETS = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const;
/** Octet of the flags in a TCP header. */
const TCP_FLAGS = 13;
const DENY: readonly Expression[] = [countIn('filtered'), verdictOf('drop')];
const ARP: Expression[] = [loadMetaOf('protocol'), compare('is', pair(0x0806)), verdictOf('back')];
/** Hosts send solicitations and advertise themselves; routers' messages come to them only. */
const FROM_HOST = [ARP, neighbourDiscovery(133, 133), neighbourDiscovery(135, 136)];
const TO_HOST = [ARP, neighbourDiscovery(134, 137)];
