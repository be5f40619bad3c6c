/**
 * The network of a pair of nodes. Each subscriber's line reaches both nodes over a splitter, a bridge that
 * floods, EAPOL too; its legs towards the nodes do not see each other, as on a dual-homed access line. The
 * uplinks of both end in one learning bridge, their management interfaces in another with the RADIUS server;
 * between the nodes is a cable of its own for replication.
 *
 *             splitter                           core
 *   host ──────┤├── swp1 ┐ node-a ┌ up0 ──────────┤
 *              │         ┤  br0   ┤               ├── upstream: head-end, multicast router
 *              │         ┘ mgmt0 repl0            │
 *              │             │     │              │
 *              │       mgmt ─┤     │              │
 *              │    (RADIUS) │     │              │
 *              │         ┐ mgmt0 repl0            │
 *              │         ┤ node-b ├ up0 ──────────┤
 *              └─── swp1 ┘  br0
 */
import { addNamespaces, addressHost, hexOctet } from '../network.ts';
import { LabError, run } from '../processes.ts';
import type { HostSpec, LabHost } from '../topology.ts';
import { LabAddress } from '../topology.ts';
import type { Workspace } from '../workspace.ts';

export type NodeName = 'a' | 'b';
export const NODE_NAMES: readonly NodeName[] = ['a', 'b'];

export function otherOf(node: NodeName): NodeName {
  return node === 'a' ? 'b' : 'a';
}

/** Where things are, in every pair. */
export const PairAddress = {
  virtual: '198.18.0.10',
  virtual6: 'fd77:1812::10',
  management: { a: '198.18.0.11', b: '198.18.0.12' },
  management6: { a: 'fd77:1812::11', b: 'fd77:1812::12' },
  replication: { a: '198.18.1.1', b: '198.18.1.2' },
} as const;

export interface PairPlan {
  /** Hosts with a network stack of their own, one on a port. */
  readonly hosts: readonly Omit<HostSpec, 'port'>[];
  /** Lines whose hosts are frames of a program in the namespace `crowd`; their interfaces have these names. */
  readonly crowd: readonly string[];
  /** IPv6 between the nodes and the RADIUS server, beside IPv4. */
  readonly ipv6?: boolean;
}

export class PairTopology {
  readonly upstreamNamespace: string;
  readonly radiusNamespace: string;
  readonly crowdNamespace: string;
  readonly accessNamespace: string;
  readonly coreNamespace: string;
  readonly hosts: readonly LabHost[];
  /** Subscriber ports, the same on both nodes. */
  readonly ports: readonly string[];
  readonly #workspace: Workspace;
  readonly #plan: PairPlan;

  private constructor(workspace: Workspace, plan: PairPlan) {
    this.#workspace = workspace;
    this.#plan = plan;
    this.upstreamNamespace = `${workspace.prefix}-upstream`;
    this.radiusNamespace = `${workspace.prefix}-radius`;
    this.crowdNamespace = `${workspace.prefix}-crowd`;
    this.accessNamespace = `${workspace.prefix}-access`;
    this.coreNamespace = `${workspace.prefix}-core`;
    this.hosts = plan.hosts.map((spec, index) => ({
      name: spec.name,
      namespace: `${workspace.prefix}-${spec.name}`,
      port: portName(index),
      mac: `02:ca:57:00:01:${hexOctet(index + 1)}`,
      address: `10.77.0.${11 + index}`,
      address6: `fd77::${11 + index}`,
    }));
    this.ports = [...plan.hosts, ...plan.crowd].map((_, index) => portName(index));
  }

  /** Builds the network, with every link up. */
  static async raise(workspace: Workspace, plan: PairPlan): Promise<PairTopology> {
    const topology = new PairTopology(workspace, plan);
    await topology.#build();
    return topology;
  }

  /** IPv6 between the nodes and the RADIUS server. */
  get hasIpv6(): boolean {
    return this.#plan.ipv6 === true;
  }

  nodeNamespace(node: NodeName): string {
    return `${this.#workspace.prefix}-node-${node}`;
  }

  host(name: string): LabHost {
    const host = this.hosts.find((candidate) => candidate.name === name);
    if (host === undefined) throw new LabError(`no host ${name} in this lab`);
    return host;
  }

  /** The port that a line of the crowd is on. */
  crowdPort(line: string): string {
    return portName(this.#plan.hosts.length + this.#plan.crowd.indexOf(line));
  }

  /** Cuts every link of a node at once, or mends them: what nobody can tell from a node without power. */
  async power(node: NodeName, on: boolean): Promise<void> {
    // The links to others first, as those behind the ports would be told of their loss.
    const links = ['repl0', 'mgmt0', LabAddress.uplink, ...this.ports];
    await this.#set(this.nodeNamespace(node), links, on);
  }

  /** Cuts or mends the replication link. */
  replicationLink(up: boolean): Promise<void> {
    return this.#set(this.nodeNamespace('b'), ['repl0'], up);
  }

  /** Keeps the nodes' management interfaces from each other, or lets them see each other; RADIUS stays in reach. */
  async managementBetweenNodes(open: boolean): Promise<void> {
    const input = NODE_NAMES.map((node) => `link set dev mgmt-${node} isolated ${open ? 'off' : 'on'}\n`);
    await run(['bridge', '-n', this.coreNamespace, '-batch', '-'], { input: input.join('') });
  }

  /** Frames that each node has sent out of its subscriber ports, counted on the lines. */
  async framesFromPorts(): Promise<Readonly<Record<NodeName, ReadonlyMap<string, number>>>> {
    const text = await run(['ip', '-n', this.accessNamespace, '-s', '-j', 'link', 'show', 'type', 'veth']);
    const links = JSON.parse(text) as { ifname: string; stats64: { rx: { packets: number } } }[];
    const of = (node: NodeName) =>
      new Map(
        this.ports.map((port) => [
          port,
          links.find((link) => link.ifname === `${port}-${node}`)?.stats64.rx.packets ?? 0,
        ]),
      );
    return { a: of('a'), b: of('b') };
  }

  async #set(namespace: string, links: readonly string[], up: boolean): Promise<void> {
    const input = links.map((link) => `link set ${link} ${up ? 'up' : 'down'}\n`).join('');
    await run(['ip', '-n', namespace, '-batch', '-'], { input });
  }

  async #build(): Promise<void> {
    await addNamespaces([
      ...NODE_NAMES.map((node) => this.nodeNamespace(node)),
      this.accessNamespace,
      this.coreNamespace,
      this.upstreamNamespace,
      this.radiusNamespace,
      this.crowdNamespace,
      ...this.hosts.map((host) => host.namespace),
    ]);
    await this.#batch(this.coreNamespace, [
      // The router decides by what castgate reports to it, and its own table is not in question here.
      'link add core type bridge stp_state 0 mcast_snooping 0 forward_delay 0',
      'link add mgmt type bridge stp_state 0 mcast_snooping 0 forward_delay 0',
      `link add core-up type veth peer name eth0 netns ${this.upstreamNamespace} address 02:ca:57:00:00:01`,
      `link add mgmt-radius type veth peer name eth0 netns ${this.radiusNamespace}`,
      'link set core-up master core up',
      'link set mgmt-radius master mgmt up',
      'link set core up',
      'link set mgmt up',
    ]);
    await this.#batch(this.upstreamNamespace, [
      `addr add ${LabAddress.upstream}/24 dev eth0`,
      'link set eth0 up',
      'route add 224.0.0.0/4 dev eth0',
    ]);
    await this.#batch(this.radiusNamespace, [
      `addr add ${LabAddress.radius}/24 dev eth0`,
      'link set eth0 up',
    ]);
    if (this.#plan.ipv6 === true) await this.#addIpv6(this.radiusNamespace, 'eth0', LabAddress.radius6);
    for (const node of NODE_NAMES) await this.#buildNode(node);
    await this.#batch(this.nodeNamespace('a'), [
      `link add repl0 type veth peer name repl0 netns ${this.nodeNamespace('b')}`,
    ]);
    for (const node of NODE_NAMES)
      await this.#batch(this.nodeNamespace(node), [
        `addr add ${PairAddress.replication[node]}/30 dev repl0`,
        'link set repl0 up',
      ]);
    for (const index of this.ports.keys()) await this.#buildLine(index);
  }

  async #buildNode(node: NodeName): Promise<void> {
    const core = `netns ${this.coreNamespace}`;
    const last = node === 'a' ? 'a' : 'b';
    await this.#batch(this.nodeNamespace(node), [
      `link add ${LabAddress.bridge} address 02:ca:57:00:00:f${last} type bridge stp_state 0 mcast_snooping 1 forward_delay 0`,
      `link set ${LabAddress.bridge} up`,
      `link add ${LabAddress.uplink} address 02:ca:57:00:00:e${last} type veth peer name core-${node} ${core}`,
      `link set ${LabAddress.uplink} master ${LabAddress.bridge} up`,
      `link add mgmt0 type veth peer name mgmt-${node} ${core}`,
      `addr add ${PairAddress.management[node]}/24 dev mgmt0`,
      'link set mgmt0 up',
    ]);
    await this.#batch(this.coreNamespace, [
      `link set core-${node} master core up`,
      `link set mgmt-${node} master mgmt up`,
    ]);
    if (this.#plan.ipv6 === true)
      await this.#addIpv6(this.nodeNamespace(node), 'mgmt0', PairAddress.management6[node]);
  }

  async #addIpv6(namespace: string, device: string, address: string): Promise<void> {
    await run(['sh', '-c', `echo 0 >/proc/sys/net/ipv6/conf/${device}/disable_ipv6`], { namespace });
    await this.#batch(namespace, [`addr add ${address}/64 dev ${device} nodad`]);
  }

  /** The splitter of a port, its legs to both nodes, and who is behind it. */
  async #buildLine(index: number): Promise<void> {
    const port = portName(index);
    const host = this.hosts[index];
    const line = this.#plan.crowd[index - this.hosts.length];
    const far =
      host === undefined
        ? `name ${line} netns ${this.crowdNamespace}`
        : `name eth0 netns ${host.namespace} address ${host.mac}`;
    await this.#batch(this.accessNamespace, [
      // Ageing 0 makes the bridge forget every address at once: it floods. Mask 8 lets 01:80:c2:00:00:03 by.
      `link add ${port} type bridge stp_state 0 mcast_snooping 0 ageing_time 0 group_fwd_mask 8 forward_delay 0`,
      `link set ${port} up`,
      `link add ${port}-host type veth peer ${far}`,
      `link set ${port}-host master ${port} up`,
    ]);
    for (const node of NODE_NAMES) {
      const mac = `02:ca:57:00:0${node}:${hexOctet(0x80 + index)}`;
      await this.#batch(this.nodeNamespace(node), [
        `link add ${port} address ${mac} type veth peer name ${port}-${node} netns ${this.accessNamespace}`,
        `link set ${port} master ${LabAddress.bridge} up`,
      ]);
      await this.#batch(this.accessNamespace, [`link set ${port}-${node} master ${port} up`]);
      await run([
        'bridge',
        '-n',
        this.accessNamespace,
        'link',
        'set',
        'dev',
        `${port}-${node}`,
        'isolated',
        'on',
      ]);
    }
    if (host === undefined) await this.#batch(this.crowdNamespace, [`link set ${line} up`]);
    else
      await addressHost(host.namespace, [`${host.address}/24`], {
        igmp: this.#plan.hosts[index]?.igmpVersion,
      });
  }

  async #batch(namespace: string, lines: readonly string[]): Promise<void> {
    await run(['ip', '-n', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }
}

function portName(index: number): string {
  return `swp${index + 1}`;
}
