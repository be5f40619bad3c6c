/** Reads what the kernel counted for hosts and channels: the counters of the elements of castgate's sets. */
import type { IpAddress } from '../../wire/address.ts';
import type { Counter, HostCounters, HostPlace } from '../switch.ts';
import { channelElement, elementName, hostElements, TABLE } from './filter/ruleset.ts';
import type { Kernel } from './kernel.ts';
import type { Refusal } from './netlink/netlink-socket.ts';
import type { SetChange, SetElement } from './netlink/nft.ts';
import { type Running, subscriberPort } from './repair/running.ts';

/** The counters of all that is open. */
export interface AllCounters {
  readonly hosts: readonly (HostCounters & { readonly host: HostPlace })[];
  readonly channels: readonly {
    readonly port: string;
    readonly vlan: number;
    readonly group: IpAddress;
    readonly counter: Counter;
  }[];
}

export const NOTHING_YET: Counter = { octets: 0, packets: 0 };

export function hostCounters({ kernel, ports }: Running, host: HostPlace): HostCounters | undefined {
  const at = subscriberPort(ports, host.port);
  if (at?.port.hasHost(host.vlan, host.mac) !== true) return undefined;
  const [input, output] = hostElements(host.port, host.mac).map((element) =>
    kernel.elementCounter(TABLE, element),
  );
  if (input === undefined || output === undefined) return undefined;
  return { input: withHeaders(input), output: withHeaders(output) };
}

export function channelCounter(
  { kernel, ports }: Running,
  portName: string,
  vlan: number,
  group: IpAddress,
): Counter {
  const at = subscriberPort(ports, portName);
  if (at?.port.hasChannel(vlan, group) !== true) return NOTHING_YET;
  const counter = kernel.elementCounter(TABLE, channelElement(portName, group));
  return counter === undefined ? NOTHING_YET : withHeaders(counter);
}

/** All counters at once, for four conversations with the kernel instead of one or two for each. */
export function allCounters({ kernel, ports }: Running): AllCounters {
  const read = elementCounters(kernel);
  const of = (element: SetElement) => read.get(elementName(element)) ?? NOTHING_YET;
  const hosts: AllCounters['hosts'][number][] = [];
  const channels: AllCounters['channels'][number][] = [];
  for (const port of ports.all()) {
    for (const host of port.hosts()) {
      const [into, out] = hostElements(host.port, host.mac);
      hosts.push({ host, input: of(into), output: of(out) });
    }
    for (const { vlan, group } of port.channels()) {
      channels.push({ port: port.name, vlan, group, counter: of(channelElement(port.name, group)) });
    }
  }
  return { hosts, channels };
}

/**
 * Begins all counters anew. Each element is taken out and put back in one transaction, so no packet meets a
 * table without it. Gives what the kernel refused; the counters of those elements go on.
 */
export function resetCounters({ kernel, ports }: Running): Refusal | undefined {
  const elements = new Map<string, SetElement[]>();
  for (const port of ports.all()) {
    for (const mac of port.macs()) for (const element of hostElements(port.name, mac)) put(elements, element);
    for (const group of port.groups()) put(elements, channelElement(port.name, group));
  }
  let first: Refusal | undefined;
  for (const ofSet of elements.values()) {
    for (let at = 0; at < ofSet.length; at += RESET_AT_ONCE) {
      const part = ofSet.slice(at, at + RESET_AT_ONCE);
      const refusal = kernel.changeSets(TABLE, [
        ...part.map((element): SetChange => ({ change: 'remove', ...element })),
        ...part.map((element): SetChange => ({ change: 'add', ...element })),
      ]);
      first ??= refusal;
    }
  }
  return first;
}

function put(elements: Map<string, SetElement[]>, element: SetElement): void {
  const ofSet = elements.get(element.set);
  if (ofSet === undefined) elements.set(element.set, [element]);
  else ofSet.push(element);
}

function elementCounters(kernel: Kernel): Map<string, Counter> {
  const read = new Map<string, Counter>();
  for (const set of ['hosts_in', 'hosts_out', 'channels4', 'channels6'] as const) {
    for (const { key, counter } of kernel.elements(TABLE, set)) {
      if (counter !== undefined) read.set(elementName({ set, key }), withHeaders(counter));
    }
  }
  return read;
}

/** The table counts from the IP header on; accounts are about frames as they are on the wire, without FCS. */
function withHeaders({ octets, packets }: Counter): Counter {
  return { octets: octets + packets * ETHERNET_HEADER, packets };
}

const ETHERNET_HEADER = 14;
const RESET_AT_ONCE = 512;
