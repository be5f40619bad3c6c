/**
 * A whole lab, raised and taken away as one: network, RADIUS server, head-end, upstream router, and on
 * demand the daemon, supplicants, receivers and captures. What the story of `npm start`, the namespace
 * tests and the benches have in common. Invariant: after `close`, and at the end of the process however it
 * comes, nothing of it is left; the rest of a process that was killed is removed by the next lab.
 */
import { join } from 'node:path';
import { Capture } from './capture.ts';
import { Castgate, type CastgateSettings } from './castgate.ts';
import { type Credentials, Supplicant } from './hosts/supplicant.ts';
import { LineProgram } from './line-program.ts';
import { FreeRadius } from './radius/freeradius.ts';
import type { Permission, RadiusUser } from './radius/freeradius-files.ts';
import { type HostSpec, LabAddress, Topology } from './topology.ts';
import { openWorkspace, removeWorkspace, type Workspace } from './workspace.ts';

export interface LabPlan {
  readonly hosts: readonly HostSpec[];
  /** Hosts, head-end and bridge have IPv6; default no. */
  readonly ipv6?: boolean;
  readonly users: readonly RadiusUser[];
  readonly permissions: readonly Permission[];
  /** Groups that the head-end sends. */
  readonly channels: readonly string[];
  /** Datagrams of each channel in a second; default 100. */
  readonly rate?: number;
  /** Octets of each datagram's payload; default 1,000. */
  readonly octets?: number;
  /** RADIUS over TCP and TLS, and all EAP methods (RadiusPlan). */
  readonly streams?: boolean;
  /** A TLS server before FreeRADIUS may ask it (front.ts). */
  readonly behindFront?: boolean;
}

export class Lab {
  readonly workspace: Workspace;
  readonly topology: Topology;
  readonly radius: FreeRadius;
  readonly headEnd: LineProgram;
  readonly router: LineProgram;
  readonly #files = new Map<string, number>();

  private constructor(
    workspace: Workspace,
    topology: Topology,
    radius: FreeRadius,
    headEnd: LineProgram,
    router: LineProgram,
  ) {
    this.workspace = workspace;
    this.topology = topology;
    this.radius = radius;
    this.headEnd = headEnd;
    this.router = router;
  }

  /** Raises everything but the daemon. What was made is taken away again where a part fails. */
  static async open(plan: LabPlan): Promise<Lab> {
    const workspace = openWorkspace();
    open.add(workspace);
    process.on('exit', removeAll);
    try {
      const topology = await Topology.raise(workspace, plan.hosts, plan.ipv6);
      const radiusPlan = {
        secret: 'secret-of-castgates-lab',
        client: LabAddress.switchOnRadiusLink,
        listen: LabAddress.radius,
        ipv6: { client: LabAddress.switchOnRadiusLink6, listen: LabAddress.radius6 },
        users: plan.users,
        permissions: plan.permissions,
        recordRequests: true,
        streams: plan.streams === true,
        behindFront: plan.behindFront === true,
      };
      const sending = [String(plan.rate ?? 100), String(plan.octets ?? 1000), ...plan.channels];
      const upstream = topology.upstreamNamespace;
      const [radius, headEnd, router] = await Promise.all([
        FreeRadius.start(radiusPlan, join(workspace.directory, 'radius'), topology.radiusNamespace),
        LineProgram.start('head-end', 'channel-source', [LabAddress.upstream, ...sending], upstream),
        LineProgram.start('upstream router', 'upstream-router', [LabAddress.upstream, '10'], upstream),
      ]);
      return new Lab(workspace, topology, radius, headEnd, router);
    } catch (error) {
      closeWorkspace(workspace);
      throw error;
    }
  }

  /** Starts castgate in the switch. */
  startCastgate(settings: CastgateSettings = {}): Promise<Castgate> {
    return Castgate.start(this.#file('castgate'), this.topology, this.radius, settings);
  }

  /** Starts a host's supplicant; resolves when it listens. */
  startSupplicant(host: string, credentials: Omit<Credentials, 'caFile'>): Promise<Supplicant> {
    const { namespace } = this.topology.host(host);
    const folder = this.#file(`supplicant-${host}`);
    return Supplicant.start({ ...credentials, caFile: this.radius.caFile }, folder, namespace);
  }

  /** Starts a player on a host. */
  startReceiver(host: string): Promise<LineProgram> {
    return LineProgram.start(`receiver of ${host}`, 'receiver', [], this.topology.host(host).namespace);
  }

  /** Captures a host's interface, or the upstream's. */
  capture(host: string | undefined): Promise<Capture> {
    const namespace =
      host === undefined ? this.topology.upstreamNamespace : this.topology.host(host).namespace;
    return Capture.start(`${this.#file(`capture-${host ?? 'upstream'}`)}.pcap`, 'eth0', namespace);
  }

  /** Takes everything away. Repeating it is no error. */
  close(): void {
    closeWorkspace(this.workspace);
  }

  /** A path in the lab's folder; the second of a name gets a number. */
  #file(name: string): string {
    const count = (this.#files.get(name) ?? 0) + 1;
    this.#files.set(name, count);
    return join(this.workspace.directory, count === 1 ? name : `${name}-${count}`);
  }
}

function closeWorkspace(workspace: Workspace): void {
  removeWorkspace(workspace);
  open.delete(workspace);
  if (open.size === 0) process.off('exit', removeAll);
}

function removeAll(): void {
  for (const workspace of open) removeWorkspace(workspace);
}

const open = new Set<Workspace>();
