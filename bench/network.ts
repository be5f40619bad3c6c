/**
 * The bench's network. All subscribers live in one namespace, so that one process can play them on one clock;
 * castgate's switch and a plain one that only snoops have the same form, each with its cable to the head-end;
 * hostapd gets a port of its own outside any bridge, since on a bridged one it does not see EAPOL that is
 * sent to its MAC address.
 *
 *   hosts: c1..c8 --- swp1..swp8 ┐ br0 (switch) ├ up0 --- cast   upstream      switch rad0 --- eth0 radius
 *   hosts: k1..k8 --- swp1..swp8 ┐ br0 (plain)  ├ up0 --- plain  upstream
 *   hosts: peer ----- peer0 (switch)
 */
import { run } from '../lab/processes.ts';
import { LabAddress } from '../lab/topology.ts';
import type { Workspace } from '../lab/workspace.ts';

/** Where something of the bench is attached in the subscribers' namespace and at the head-end. */
export interface Attachment {
  /** Interfaces of the subscribers, one for each port. */
  readonly ports: readonly string[];
  /** The head-end's interface towards them. */
  readonly upstream: string;
}

export class BenchNetwork {
  readonly switchNamespace: string;
  readonly plainNamespace: string;
  readonly hostsNamespace: string;
  readonly upstreamNamespace: string;
  readonly radiusNamespace: string;
  /** A second node, which nobody is connected to: it only follows. */
  readonly standbyNamespace: string;
  /** castgate's subscriber ports, as castgate calls them. */
  readonly ports: readonly string[];
  readonly castgate: Attachment;
  readonly plain: Attachment;
  /** hostapd's interface in the switch's namespace, and its cable's other end. */
  readonly hostapdPort = 'peer0';
  readonly hostapdCable = 'peer';

  private constructor(prefix: string, ports: number) {
    const numbers = Array.from({ length: ports }, (_, i) => i + 1);
    this.ports = numbers.map((n) => `swp${n}`);
    this.castgate = { ports: numbers.map((n) => `c${n}`), upstream: 'cast' };
    this.plain = { ports: numbers.map((n) => `k${n}`), upstream: 'plain' };
    this.switchNamespace = `${prefix}-switch`;
    this.plainNamespace = `${prefix}-plain`;
    this.hostsNamespace = `${prefix}-hosts`;
    this.upstreamNamespace = `${prefix}-upstream`;
    this.radiusNamespace = `${prefix}-radius`;
    this.standbyNamespace = `${prefix}-standby`;
  }

  /** Builds it with so many subscriber ports, all links up. Throws LabError. */
  static async raise(workspace: Workspace, ports = 8): Promise<BenchNetwork> {
    const network = new BenchNetwork(workspace.prefix, ports);
    await network.#build();
    return network;
  }

  /** The second node's switch, and the cable between the two. */
  async addStandby(): Promise<void> {
    await run(['ip', 'netns', 'add', this.standbyNamespace]);
    await run(['ip', '-n', this.standbyNamespace, 'link', 'set', 'lo', 'up']);
    await ipBatch(this.standbyNamespace, [
      `link add ${LabAddress.bridge} type bridge stp_state 0 mcast_snooping 1 forward_delay 0`,
      `link set ${LabAddress.bridge} up`,
      ...[LabAddress.uplink, ...this.ports].flatMap((port) => [
        `link add ${port} type veth peer name x-${port}`,
        `link set x-${port} up`,
        `link set ${port} master ${LabAddress.bridge} up`,
      ]),
      `link add repl0 type veth peer name repl0 netns ${this.switchNamespace}`,
      `addr add ${REPLICATION.standby}/30 dev repl0`,
      'link set repl0 up',
    ]);
    await ipBatch(this.switchNamespace, [`addr add ${REPLICATION.active}/30 dev repl0`, 'link set repl0 up']);
  }

  /** castgate's bridge has room for so many groups; castgate would only enlarge it. */
  async shrinkDatabase(groups: number): Promise<void> {
    await ipBatch(this.switchNamespace, [
      `link set ${LabAddress.bridge} type bridge mcast_hash_max ${groups}`,
    ]);
  }

  async #build(): Promise<void> {
    const { switchNamespace, plainNamespace, hostsNamespace, upstreamNamespace, radiusNamespace } = this;
    const namespaces = [switchNamespace, plainNamespace, hostsNamespace, upstreamNamespace, radiusNamespace];
    await run(['ip', '-batch', '-'], { input: namespaces.map((name) => `netns add ${name}\n`).join('') });
    // Nothing but the bench's own frames: neither the kernel's MLD nor its IGMP for groups of its own.
    const quiet =
      'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6; echo 0 >/proc/sys/net/ipv4/igmp_link_local_mcast_reports; ip link set lo up';
    for (const namespace of namespaces) await run(['sh', '-c', quiet], { namespace });
    await ipBatch(switchNamespace, [
      ...this.#bridge(this.castgate),
      `link add rad0 type veth peer name eth0 netns ${radiusNamespace}`,
      `addr add ${LabAddress.switchOnRadiusLink}/30 dev rad0`,
      'link set rad0 up',
      `link add ${this.hostapdPort} type veth peer name ${this.hostapdCable} netns ${hostsNamespace}`,
      `link set ${this.hostapdPort} up`,
    ]);
    await ipBatch(plainNamespace, [
      ...this.#bridge(this.plain),
      // The database counts only once a querier is believed in: one response interval after it began.
      'link set br0 type bridge mcast_hash_max 65536 mcast_query_response_interval 1',
      'link set br0 type bridge mcast_querier 1',
      'link set br0 type bridge mcast_query_response_interval 1000',
      ...this.ports.map((port) => `link set ${port} type bridge_slave mcast_flood off mcast_fast_leave on`),
    ]);
    await ipBatch(radiusNamespace, [`addr add ${LabAddress.radius}/30 dev eth0`, 'link set eth0 up']);
    const hosts = [...this.castgate.ports, ...this.plain.ports, this.hostapdCable];
    await ipBatch(
      hostsNamespace,
      hosts.map((name) => `link set ${name} up`),
    );
    await ipBatch(
      upstreamNamespace,
      [this.castgate, this.plain].map((to) => `link set ${to.upstream} up`),
    );
  }

  #bridge(attachment: Attachment): string[] {
    const { bridge, uplink } = LabAddress;
    return [
      `link add ${bridge} type bridge stp_state 0 mcast_snooping 1 forward_delay 0`,
      `link set ${bridge} up`,
      `link add ${uplink} type veth peer name ${attachment.upstream} netns ${this.upstreamNamespace}`,
      `link set ${uplink} master ${bridge} up`,
      ...this.ports.flatMap((port, i) => [
        `link add ${port} type veth peer name ${attachment.ports[i]} netns ${this.hostsNamespace}`,
        `link set ${port} master ${bridge} up`,
      ]),
    ];
  }
}

async function ipBatch(namespace: string, commands: readonly string[]): Promise<void> {
  await run(['ip', '-n', namespace, '-batch', '-'], { input: `${commands.join('\n')}\n` });
}

/** Ends of the cable between the nodes. */
export const REPLICATION = { active: '198.18.1.1', standby: '198.18.1.2' } as const;
