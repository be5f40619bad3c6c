/**
 * The lab's network: a switch with a bridge, one namespace for each subscriber host, one upstream for the
 * head-end and the multicast router, one for RADIUS. Cables are veth pairs made inside the namespaces, so
 * nothing ever appears in the machine's own. Several hosts on one port hang on a hub, a namespace that
 * floods everything, EAPOL too.
 *
 *   host eth0 --- swp1 ┐
 *   host eth0 --- swp2 ┤ br0 (switch) ├ up0 --- eth0 upstream      switch rad0 --- eth0 radius
 *   host eth0 --- swp3 ┘
 */
import { addNamespaces, addressHost, HOST_UP, hexOctet } from './network.ts';
import { LabError, run } from './processes.ts';
import type { Workspace } from './workspace.ts';

export interface HostSpec {
  readonly name: string;
  /** Interface of the switch that its cable goes to. Hosts with the same port share a hub. */
  readonly port: string;
  /** The kernel's own choice is 3. */
  readonly igmpVersion?: 1 | 2 | 3;
  /** The kernel's own choice is 2. */
  readonly mldVersion?: 1 | 2;
}

export interface LabHost {
  readonly name: string;
  readonly namespace: string;
  readonly port: string;
  readonly mac: string;
  readonly address: string;
  /** Only where the lab has IPv6. */
  readonly address6: string;
}

/** Where things are, the same in every lab. */
export const LabAddress = {
  bridge: 'br0',
  uplink: 'up0',
  upstream: '10.77.0.1',
  upstream6: 'fd77::1',
  switchOnRadiusLink: '198.18.0.1',
  radius: '198.18.0.2',
  switchOnRadiusLink6: 'fd77:1812::1',
  radius6: 'fd77:1812::2',
} as const;

export class Topology {
  readonly switchNamespace: string;
  readonly upstreamNamespace: string;
  readonly radiusNamespace: string;
  readonly upstreamMac = '02:ca:57:00:00:01';
  readonly hosts: readonly LabHost[];
  readonly #workspace: Workspace;
  readonly #specs: readonly HostSpec[];
  readonly #ipv6: boolean;

  private constructor(workspace: Workspace, specs: readonly HostSpec[], ipv6: boolean) {
    this.#workspace = workspace;
    this.#specs = specs;
    this.#ipv6 = ipv6;
    this.switchNamespace = `${workspace.prefix}-switch`;
    this.upstreamNamespace = `${workspace.prefix}-upstream`;
    this.radiusNamespace = `${workspace.prefix}-radius`;
    this.hosts = specs.map((spec, index) => ({
      name: spec.name,
      namespace: `${workspace.prefix}-${spec.name}`,
      port: spec.port,
      mac: `02:ca:57:00:01:${hexOctet(index + 1)}`,
      address: `10.77.0.${11 + index}`,
      address6: `fd77::${11 + index}`,
    }));
  }

  /**
   * Builds the network. Hosts are up but have no carrier: the switch's ends stay down until `plugIn`. `ipv6`:
   * hosts, upstream and the bridge have IPv6; without it the kernel says nothing of its own by IPv6.
   */
  static async raise(workspace: Workspace, specs: readonly HostSpec[], ipv6 = false): Promise<Topology> {
    const topology = new Topology(workspace, specs, ipv6);
    await topology.#build();
    return topology;
  }

  /** Subscriber ports, in order, each once. */
  get ports(): readonly string[] {
    return [...new Set(this.hosts.map((host) => host.port))];
  }

  /** The host of that name; throws LabError where there is none. */
  host(name: string): LabHost {
    const host = this.hosts.find((candidate) => candidate.name === name);
    if (host === undefined) throw new LabError(`no host ${name} in this lab`);
    return host;
  }

  /**
   * The cable is in: the link comes up at both ends. The host's end comes last, since the kernel lets a veth
   * send only a moment after its peer has given it carrier: an answer to what the switch says at once would
   * be lost.
   */
  async plugIn(host: LabHost): Promise<void> {
    await run(['ip', '-n', host.namespace, 'link', 'set', 'eth0', 'down']);
    await run(['ip', '-n', this.switchNamespace, 'link', 'set', host.port, 'up']);
    await run(['ip', '-n', host.namespace, '-batch', '-'], { input: HOST_UP });
  }

  /** The cable is out: the switch sees its carrier go. */
  async unplug(host: LabHost): Promise<void> {
    await run(['ip', '-n', host.namespace, 'link', 'set', 'eth0', 'down']);
  }

  /** The upstream knows the host's MAC address without asking: it can send to one who never answers. */
  async introduceToUpstream(host: LabHost): Promise<void> {
    const neighbour = [host.address, 'lladdr', host.mac, 'dev', 'eth0', 'nud', 'permanent'];
    await run(['ip', '-n', this.upstreamNamespace, 'neigh', 'replace', ...neighbour]);
  }

  /** Deletes a subscriber port of the switch, with the cable in it. */
  async deletePort(port: string): Promise<void> {
    await run(['ip', '-n', this.switchNamespace, 'link', 'del', port]);
  }

  /** Makes a deleted port and its cable anew, the hosts plugged in. */
  async recreatePort(port: string): Promise<void> {
    await this.#cable(port);
    for (const host of this.hosts) if (host.port === port) await this.plugIn(host);
  }

  async #build(): Promise<void> {
    const namespaces = [
      this.switchNamespace,
      this.upstreamNamespace,
      this.radiusNamespace,
      ...this.hosts.map((host) => host.namespace),
      ...this.ports.filter((port) => this.#sharers(port).length > 1).map((port) => this.#hub(port)),
    ];
    const ends = this.#ipv6 ? [this.upstreamNamespace, ...this.hosts.map((host) => host.namespace)] : [];
    await addNamespaces(namespaces, ends);
    await run(['ip', '-n', this.switchNamespace, '-batch', '-'], {
      input: [
        `link add ${LabAddress.bridge} address 02:ca:57:00:00:fe type bridge stp_state 0 mcast_snooping 1 forward_delay 0`,
        `link set ${LabAddress.bridge} up`,
        `link add ${LabAddress.uplink} address 02:ca:57:00:00:f0 type veth peer name eth0 netns ${this.upstreamNamespace} address ${this.upstreamMac}`,
        `link set ${LabAddress.uplink} master ${LabAddress.bridge} up`,
        `link add rad0 type veth peer name eth0 netns ${this.radiusNamespace}`,
        `addr add ${LabAddress.switchOnRadiusLink}/30 dev rad0`,
        'link set rad0 up',
        '',
      ].join('\n'),
    });
    if (this.#ipv6)
      await run(['sh', '-c', `echo 0 >/proc/sys/net/ipv6/conf/${LabAddress.bridge}/disable_ipv6`], {
        namespace: this.switchNamespace,
      });
    await run(['ip', '-n', this.upstreamNamespace, '-batch', '-'], {
      input: `addr add ${LabAddress.upstream}/24 dev eth0\nlink set eth0 up\nroute add 224.0.0.0/4 dev eth0\n`,
    });
    if (this.#ipv6)
      await run(['ip', '-n', this.upstreamNamespace, '-batch', '-'], {
        input: `addr add ${LabAddress.upstream6}/64 dev eth0\n`,
      });
    await run(['ip', '-n', this.radiusNamespace, '-batch', '-'], {
      input: `addr add ${LabAddress.radius}/30 dev eth0\nlink set eth0 up\n`,
    });
    await this.#addRadius6();
    for (const port of this.ports) {
      if (this.#sharers(port).length > 1) await this.#buildHub(port);
      await this.#cable(port);
    }
  }

  /** The veth pair of a port: to its only host, or to the hub. */
  async #cable(port: string): Promise<void> {
    const sharers = this.#sharers(port);
    const only = sharers.length === 1 ? sharers[0] : undefined;
    const far =
      only === undefined
        ? `name trunk netns ${this.#hub(port)}`
        : `name eth0 netns ${only.namespace} address ${only.mac}`;
    const portMac = `02:ca:57:00:00:${hexOctet(0x80 + this.ports.indexOf(port))}`;
    await run(['ip', '-n', this.switchNamespace, '-batch', '-'], {
      input: `link add ${port} address ${portMac} type veth peer ${far}\nlink set ${port} master ${LabAddress.bridge}\n`,
    });
    if (only === undefined)
      await run(['ip', '-n', this.#hub(port), 'link', 'set', 'trunk', 'master', 'hub', 'up']);
    else await this.#configureHost(only);
  }

  /** IPv6 between switch and server, without waiting for anybody to object to the addresses. */
  async #addRadius6(): Promise<void> {
    for (const [namespace, device, address] of [
      [this.switchNamespace, 'rad0', LabAddress.switchOnRadiusLink6],
      [this.radiusNamespace, 'eth0', LabAddress.radius6],
    ] as const) {
      const on = `echo 0 >/proc/sys/net/ipv6/conf/${device}/disable_ipv6`;
      await run(['sh', '-c', `${on} && ip addr add ${address}/64 dev ${device} nodad`], { namespace });
    }
  }

  async #buildHub(port: string): Promise<void> {
    const hub = this.#hub(port);
    // Ageing 0 makes the bridge forget every address at once: it floods. Mask 8 lets 01:80:c2:00:00:03 by.
    await run(['ip', '-n', hub, '-batch', '-'], {
      input: `link add hub type bridge stp_state 0 mcast_snooping 0 ageing_time 0 group_fwd_mask 8 forward_delay 0\nlink set hub up\n`,
    });
    for (const [index, host] of this.#sharers(port).entries()) {
      await run(['ip', '-n', hub, '-batch', '-'], {
        input: `link add h${index} type veth peer name eth0 netns ${host.namespace} address ${host.mac}\nlink set h${index} master hub up\n`,
      });
      await this.#configureHost(host);
    }
  }

  async #configureHost(host: LabHost): Promise<void> {
    const spec = this.#specs.find((candidate) => candidate.name === host.name);
    await addressHost(
      host.namespace,
      this.#ipv6 ? [`${host.address}/24`, `${host.address6}/64`] : [`${host.address}/24`],
      {
        igmp: spec?.igmpVersion,
        mld: spec?.mldVersion,
      },
    );
  }

  #sharers(port: string): readonly LabHost[] {
    return this.hosts.filter((host) => host.port === port);
  }

  #hub(port: string): string {
    return `${this.#workspace.prefix}-hub-${port}`;
  }
}
