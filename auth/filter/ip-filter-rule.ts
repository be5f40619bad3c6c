/**
 * IPFilterRule of RFC 6733 §4.3.1 as text, which is also the syntax of NAS-Filter-Rule (RFC 4849) and of the rule
 * sets of the configuration:
 *
 *   permit in tcp from any to 192.0.2.0/24 80,8000-8099 setup
 *
 * What cannot be told from an Ethernet frame, or not by the switch, is refused, never left out: `assigned`,
 * ipoptions, tcpoptions. Beside numbers the usual names of protocols are read.
 */
import type { FilterEnd, FilterPrefix, FilterRule, PortRange, TcpFlags } from '../../session/filter-rule.ts';
import { ipBytes, ipFamily, ipv4At, ipv6At } from '../../wire/address.ts';

/** A rule, or why the text is none that can be carried out. */
export function parseFilterRule(text: string): FilterRule | FilterRuleProblem {
  const words = text.trim().split(/\s+/);
  const [action, direction, protocolWord, from, ...rest] = words;
  if (action !== 'permit' && action !== 'deny') return problem("begins with 'permit' or 'deny'");
  if (direction !== 'in' && direction !== 'out') return problem("second comes 'in' or 'out'");
  const protocol = protocolOf(protocolWord ?? '');
  if (protocol === undefined) return problem(`no protocol: '${protocolWord ?? ''}'`);
  const toAt = rest.indexOf('to');
  if (from !== 'from' || toAt < 0) return problem("then 'from SOURCE to DESTINATION'");
  const source = endOf(rest.slice(0, toAt));
  if ('problem' in source) return source;
  if (source.after.length > 0) return problem(`unknown: '${source.after[0]}'`);
  const destination = endOf(rest.slice(toAt + 1));
  if ('problem' in destination) return destination;
  const options = optionsOf(destination.after);
  if ('problem' in options) return options;
  const rule: FilterRule = {
    permit: action === 'permit',
    direction,
    protocol: protocol === 'ip' ? undefined : protocol,
    from: source.end,
    to: destination.end,
    ...options,
  };
  return contradictionIn(rule) ?? rule;
}

/** Why a text is no rule. */
export interface FilterRuleProblem {
  readonly problem: string;
}

/** The rule as text that parseFilterRule reads again. */
export function formatFilterRule(rule: FilterRule): string {
  const { permit, direction, protocol, from, to, fragments, tcpFlags, icmpTypes } = rule;
  const parts = [permit ? 'permit' : 'deny', direction, protocol === undefined ? 'ip' : String(protocol)];
  parts.push('from', ...endWords(from), 'to', ...endWords(to));
  if (fragments === true) parts.push('frag');
  if (tcpFlags !== undefined) parts.push(...flagWords(tcpFlags));
  if (icmpTypes !== undefined) parts.push('icmptypes', icmpTypes.join(','));
  return parts.join(' ');
}

function problem(what: string): FilterRuleProblem {
  return { problem: what };
}

function protocolOf(word: string): number | 'ip' | undefined {
  if (word === 'ip') return 'ip';
  return PROTOCOLS.get(word) ?? numberOf(word, 255);
}

interface ReadEnd {
  readonly end: FilterEnd;
  readonly after: readonly string[];
}

/** An address, and ports where the next word looks like some. */
function endOf(words: readonly string[]): ReadEnd | FilterRuleProblem {
  const [first = '', second, ...others] = words;
  const prefix = prefixOf(first);
  if (prefix !== undefined && 'problem' in prefix) return prefix;
  if (second === undefined || !/^\d/.test(second)) {
    return { end: { prefix, ports: [] }, after: words.slice(1) };
  }
  const ports: PortRange[] = [];
  for (const part of second.split(',')) {
    const [low = '', high = low, ...more] = part.split('-');
    const [from, to] = [numberOf(low, 65535), numberOf(high, 65535)];
    if (from === undefined || to === undefined || to < from || more.length > 0) {
      return problem(`no ports: '${second}'`);
    }
    ports.push({ first: from, last: to });
  }
  return { end: { prefix, ports }, after: others };
}

function prefixOf(word: string): FilterPrefix | undefined | FilterRuleProblem {
  if (word === 'any') return undefined;
  if (word === 'assigned') return problem("'assigned' cannot be told: castgate knows no address of a host");
  const inverted = word.startsWith('!');
  const [text = '', bits, ...more] = (inverted ? word.slice(1) : word).split('/');
  const octets = ipBytes(text);
  if (octets === undefined || more.length > 0) return problem(`no address: '${word}'`);
  const all = octets.length * 8;
  const length = bits === undefined ? all : numberOf(bits, all);
  if (length === undefined) return problem(`no length of a prefix: '${word}'`);
  if (inverted && length === 0) return problem(`matches nothing: '${word}'`);
  const network = octets.map((octet, i) => octet & ~(0xff >> Math.max(0, Math.min(8, length - 8 * i))));
  const address = ipFamily(text) === 4 ? ipv4At(network, 0) : ipv6At(network, 0);
  return { address, length, inverted };
}

type Options = Pick<FilterRule, 'fragments' | 'tcpFlags' | 'icmpTypes'>;

function optionsOf(words: readonly string[]): Options | FilterRuleProblem {
  let options: Options = {};
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    switch (word) {
      case 'frag':
        options = { ...options, fragments: true };
        break;
      case 'established':
      case 'setup':
      case 'tcpflags': {
        const flags = word === 'tcpflags' ? flagsOf(words[++at] ?? '') : NAMED_FLAGS[word];
        if (flags === undefined) return problem(`no tcpflags: '${words[at] ?? ''}'`);
        if (options.tcpFlags !== undefined) return problem('more than one of tcpflags, setup, established');
        options = { ...options, tcpFlags: flags };
        break;
      }
      case 'icmptypes': {
        const types = typesOf(words[++at] ?? '');
        if (types === undefined) return problem(`no icmptypes: '${words[at] ?? ''}'`);
        options = { ...options, icmpTypes: types };
        break;
      }
      case 'ipoptions':
      case 'tcpoptions':
        return problem(`'${word}' cannot be carried out`);
      default:
        return problem(`unknown: '${word}'`);
    }
  }
  return options;
}

function flagsOf(list: string): TcpFlags | undefined {
  let [mask, value] = [0, 0];
  for (const word of list.split(',')) {
    const unset = word.startsWith('!');
    const bit = TCP_FLAGS.get(unset ? word.slice(1) : word);
    if (bit === undefined) return undefined;
    mask |= bit;
    if (!unset) value |= bit;
  }
  return { mask, value, differs: false };
}

function typesOf(list: string): readonly number[] | undefined {
  const types: number[] = [];
  for (const part of list.split(',')) {
    const [low = '', high = low, ...more] = part.split('-');
    const [from, to] = [numberOf(low, 255), numberOf(high, 255)];
    if (from === undefined || to === undefined || to < from || more.length > 0) return undefined;
    for (let type = from; type <= to; type++) if (!types.includes(type)) types.push(type);
  }
  return types;
}

/** What would match no packet, or what its protocol does not have. */
function contradictionIn(rule: FilterRule): FilterRuleProblem | undefined {
  const { protocol, from, to, tcpFlags, icmpTypes, fragments } = rule;
  const hasPorts = from.ports.length + to.ports.length > 0;
  if (hasPorts && !PORTED.has(protocol ?? -1)) return problem('ports are for TCP, UDP and SCTP');
  if (tcpFlags !== undefined && protocol !== TCP) return problem('flags are for TCP');
  if (icmpTypes !== undefined && protocol !== ICMP && protocol !== ICMPV6) {
    return problem('icmptypes are for ICMP');
  }
  if (fragments === true && (hasPorts || tcpFlags !== undefined || icmpTypes !== undefined)) {
    return problem('frag matches what has neither ports nor flags nor types');
  }
  const [one, other] = [from.prefix, to.prefix];
  if (one === undefined || other === undefined || one.inverted || other.inverted) return undefined;
  return ipFamily(one.address) === ipFamily(other.address) ? undefined : problem('two families of addresses');
}

function endWords({ prefix, ports }: FilterEnd): string[] {
  const address =
    prefix === undefined ? 'any' : `${prefix.inverted ? '!' : ''}${prefix.address}/${prefix.length}`;
  if (ports.length === 0) return [address];
  return [
    address,
    ports.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`)).join(','),
  ];
}

function flagWords({ mask, value, differs }: TcpFlags): string[] {
  if (differs) return ['established'];
  const words = [...TCP_FLAGS].filter(([, bit]) => (mask & bit) !== 0);
  return ['tcpflags', words.map(([name, bit]) => ((value & bit) === 0 ? `!${name}` : name)).join(',')];
}

function numberOf(word: string, greatest: number): number | undefined {
  if (!/^\d{1,5}$/.test(word)) return undefined;
  const number = Number(word);
  return number <= greatest ? number : undefined;
}

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
const SCTP = 132;
const PORTED: ReadonlySet<number> = new Set([TCP, UDP, SCTP]);
/** By the names of the IANA's protocol numbers. */
const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['icmp', ICMP],
  ['igmp', 2],
  ['tcp', TCP],
  ['udp', UDP],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['icmpv6', ICMPV6],
  ['ipv6-icmp', ICMPV6],
  ['sctp', SCTP],
]);
const TCP_FLAGS: ReadonlyMap<string, number> = new Map([
  ['fin', 0x01],
  ['syn', 0x02],
  ['rst', 0x04],
  ['psh', 0x08],
  ['ack', 0x10],
  ['urg', 0x20],
]);
const NAMED_FLAGS: Readonly<Record<'established' | 'setup', TcpFlags>> = {
  established: { mask: 0x14, value: 0, differs: true },
  setup: { mask: 0x12, value: 0x02, differs: false },
};
