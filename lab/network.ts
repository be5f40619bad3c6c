/** What the lab's networks have in common: quiet namespaces, and hosts with an address. */
import { run } from './processes.ts';

/**
 * Makes network namespaces with `lo` up. IPv6 is off before any interface appears, but in those named in
 * `withIpv6`: the kernel's own MLD and router solicitations would be counted as a host's traffic. A multicast
 * source or router announces no membership of its own.
 */
export async function addNamespaces(
  names: readonly string[],
  withIpv6: readonly string[] = [],
): Promise<void> {
  await run(['ip', '-batch', '-'], { input: names.map((name) => `netns add ${name}\n`).join('') });
  for (const namespace of names) {
    const ipv6 = `echo ${withIpv6.includes(namespace) ? 0 : 1} >/proc/sys/net/ipv6/conf/default/disable_ipv6`;
    await run(['sh', '-c', `${ipv6}; ${QUIET}`], { namespace });
  }
}

/** Gives a host its addresses, with prefix lengths, and brings its cable up, in the versions that it is to speak. */
export async function addressHost(
  namespace: string,
  addresses: readonly string[],
  versions: { readonly igmp?: number | undefined; readonly mld?: number | undefined },
): Promise<void> {
  for (const [name, version] of [
    ['ipv4/conf/eth0/force_igmp_version', versions.igmp],
    ['ipv6/conf/eth0/force_mld_version', versions.mld],
  ] as const)
    if (version !== undefined)
      await run(['sh', '-c', `echo ${version} >/proc/sys/net/${name}`], { namespace });
  const input = `${addresses.map((address) => `addr add ${address} dev eth0\n`).join('')}${HOST_UP}`;
  await run(['ip', '-n', namespace, '-batch', '-'], { input });
}

/** Brings a host's cable up. The route goes with the link, and is there again with it. */
export const HOST_UP = 'link set eth0 up\nroute replace 224.0.0.0/4 dev eth0\n';

/** A number as two hexadecimal digits, for MAC addresses. */
export function hexOctet(value: number): string {
  return value.toString(16).padStart(2, '0');
}

const QUIET = [
  'echo 1 >/proc/sys/net/ipv6/conf/all/keep_addr_on_down',
  'echo 0 >/proc/sys/net/ipv4/igmp_link_local_mcast_reports',
  'echo 500 >/proc/sys/net/ipv4/igmp_max_memberships',
  'ip link set lo up',
].join('; ');
