/** Where virtual addresses are reached: the interface that has an address of its own in their network. */
import { BlockList } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import type { Native } from '../../switch/native.ts';
import { type IpAddress, ipFamily } from '../../wire/address.ts';
import type { WayPlace } from './way-table.ts';

/** Text: there is no such interface, and why. */
export function wayPlace(native: Native, addresses: readonly IpAddress[]): WayPlace | string {
  for (const [device, own] of Object.entries(networkInterfaces())) {
    const mac = own?.[0]?.mac;
    if (own === undefined || mac === undefined || own[0]?.internal === true) continue;
    if (!addresses.every((address) => own.some((one) => hasInNetwork(one, address)))) continue;
    const ifindex = native.interfaceIndex(device);
    if (ifindex > 0) return { device, ifindex, mac, addresses };
  }
  return `no interface has an address of its own in the network of ${addresses.join(' and ')}`;
}

function hasInNetwork({ address, cidr }: NetworkInterfaceInfo, wanted: IpAddress): boolean {
  const prefix = Number(cidr?.split('/')[1]);
  const family = ipFamily(wanted);
  if (address === wanted || !Number.isSafeInteger(prefix) || ipFamily(address) !== family) return false;
  if (prefix === (family === 4 ? 32 : 128)) return false;
  const network = new BlockList();
  network.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  return network.check(wanted, family === 4 ? 'ipv4' : 'ipv6');
}
