/**
 * What castgate itself says about groups: queries to subscribers, reports to the routers, as querier and as
 * host (RFC 4605). It asks where nobody else is querier, and passes the querier's questions on where one is;
 * routers hear of granted groups alone.
 */

import type { QueryMessage } from '../../igmp/group-message.ts';
import { decodeGroupPacket, type GroupPacket } from '../../igmp/group-packet.ts';
import type { HostFilter } from '../../igmp/membership.ts';
import { membershipIntervalMs } from '../../igmp/membership.ts';
import { pimHelloHoldMs } from '../../igmp/pim.ts';
import { ProxyReporter } from '../../igmp/querier/proxy-reporter.ts';
import { Querier } from '../../igmp/querier/querier.ts';
import { type OtherQuerierRecord, QuerierElection } from '../../igmp/querier/querier-election.ts';
import { RouterPorts } from '../../igmp/querier/router-ports.ts';
import { SpecificQueries } from '../../igmp/querier/specific-queries.ts';
import { type IpAddress, ipFamily } from '../../wire/address.ts';
import { u32 } from '../../wire/bytes.ts';
import { isMalformed } from '../../wire/malformed.ts';
import type { CoreParts } from '../core/parts.ts';
import { GeneralQueries } from './general-queries.ts';
import { queryFrame, reportFrames, type Sender, senderOf } from './group-frames.ts';

export class GroupSignalling {
  readonly #parts: CoreParts;
  readonly #querier: Querier;
  readonly #election: QuerierElection;
  readonly #routers: RouterPorts;
  readonly #proxy: ProxyReporter;
  readonly #specific: SpecificQueries;
  readonly #general: GeneralQueries;
  readonly #vlansOfSessions: (port: string) => readonly number[];

  /** Takes up the records that the stores hold already. */
  constructor(parts: CoreParts, vlansOfSessions: (port: string) => readonly number[]) {
    this.#parts = parts;
    this.#vlansOfSessions = vlansOfSessions;
    const { config, stores } = parts;
    const { multicast } = config;
    this.#querier = new Querier(multicast, stores.queriers);
    this.#election = new QuerierElection(multicast, stores.otherQueriers);
    this.#routers = new RouterPorts(stores.routerPorts);
    this.#specific = new SpecificQueries(multicast, stores.specificQueries);
    this.#general = new GeneralQueries(multicast.querier);
    this.#proxy = new ProxyReporter(
      { ...multicast, olderQuerierTimeoutMs: multicast.olderPresentMs ?? membershipIntervalMs(multicast) },
      stores.upstreamGroups,
      stores.upstreamQueriers,
      () => u32(parts.random(4), 0) / 2 ** 32,
    );
  }

  portUp(now: number, port: string): void {
    if (this.#parts.config.multicast.querier.enabled) this.#querier.startPort(now, port);
  }

  portDown(port: string): void {
    this.#querier.stopPort(port);
    this.#specific.forget(port);
  }

  /**
   * An uplink lost its carrier or got it (back): what is behind it may be other machines than before. They are
   * told what is received here, and hosts are asked, as switches do after a change of topology (RFC 4541 §2.1.1 (4)).
   */
  uplinkChanged(now: number, uplink: string, up: boolean): void {
    if (!up) {
      this.#routers.forget(uplink);
      return;
    }
    if (this.#parts.config.multicast.querier.enabled) this.#querier.askNow(now);
    if (this.#parts.config.multicast.proxy) this.#proxy.sayAll(now);
    this.sendReports(now);
  }

  /** The switch refused to send a frame; a report that did not leave is said again. */
  frameRefused(now: number, port: string, vlan: number): void {
    const { uplinks, multicast } = this.#parts.config;
    if (multicast.proxy && uplinks.includes(port)) this.#proxy.repeat(now, vlan);
  }

  /** A host came in: what it joined before is asked for again at once. */
  askHost(now: number, port: string, vlan: number): void {
    const { multicast } = this.#parts.config;
    if (!multicast.querier.enabled) return;
    for (const family of FAMILIES) this.#ask(now, port, vlan, family, multicast.lastMemberQueryIntervalMs);
  }

  /** A host left: whoever still wants the group, or these sources of it, is to say so. */
  askAfterLeave(
    now: number,
    port: string,
    vlan: number,
    group: IpAddress,
    sources: readonly IpAddress[],
  ): void {
    this.#specific.begin(now, port, vlan, group, sources);
    this.#askSpecifically(now);
  }

  /** A packet that came in on an uplink: queries and PIM Hellos count. */
  heardUpstream(now: number, uplink: string, vlan: number, etherType: number, payload: Uint8Array): void {
    const holdMs = pimHelloHoldMs(etherType, payload);
    if (holdMs !== undefined) this.#routerHeard(now, uplink, vlan, holdMs);
    const packet = decodeGroupPacket(etherType, payload);
    if (packet === undefined || isMalformed(packet) || packet.message.kind !== 'query') return;
    this.#heardQuery(now, uplink, vlan, packet, packet.message);
  }

  /** What all subscribers of the VLAN together receive of the group now. */
  received(now: number, vlan: number, group: IpAddress, filter: HostFilter | undefined): void {
    if (this.#parts.config.multicast.proxy) this.#proxy.set(now, vlan, group, filter);
  }

  /** How long a wish holds there without being said again: the querier's robustness and interval decide. */
  membershipIntervalMs(now: number, vlan: number, family: 4 | 6): number {
    const { multicast } = this.#parts.config;
    const other = this.#election.querier(now, vlan, family);
    return multicast.membershipIntervalMs ?? membershipIntervalMs({ ...multicast, ...other });
  }

  /** Follows the configuration as it is now, and tells upstream at once what is received here. */
  resume(
    now: number,
    received: Iterable<{ vlan: number; group: IpAddress; filter: HostFilter | undefined }>,
  ): void {
    const { config, stores } = this.#parts;
    for (const { key: port, up } of stores.ports.values()) {
      if (!config.multicast.querier.enabled) this.#querier.stopPort(port);
      else if (up && !stores.queriers.has(port)) this.#querier.startPort(now, port);
    }
    if (config.multicast.proxy) {
      for (const { vlan, group, filter } of received) this.#proxy.set(now, vlan, group, filter);
      this.#proxy.sayAll(now);
    } else {
      for (const { key } of [...stores.upstreamGroups.values()]) stores.upstreamGroups.delete(key);
    }
    this.sendReports(now);
  }

  /** Gives the queriers in whose place castgate asks from here on. */
  handleTimeout(now: number): readonly OtherQuerierRecord[] {
    const silent = this.#election.takeSilent(now);
    for (const { vlan, family, address } of silent) {
      this.#parts.log.info('querier-silent', { vlan, family, address });
      if (this.#parts.config.multicast.querier.enabled) this.#querier.askNow(now);
    }
    this.#routers.forgetSilent(now);
    for (const port of this.#querier.takeDue(now)) this.#askPort(now, port);
    this.#askSpecifically(now);
    this.#proxy.handleTimeout(now);
    this.sendReports(now);
    return silent;
  }

  nextTimeout(): number | undefined {
    let next: number | undefined;
    for (const part of [this.#querier, this.#election, this.#routers, this.#specific, this.#proxy]) {
      const at = part.nextTimeout();
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  /** Sends what the proxy has to say. */
  sendReports(now: number): void {
    const reports = this.#proxy.drainReports();
    if (reports.length === 0) return;
    const from = this.#sender(undefined);
    for (const report of reports) {
      if (from === undefined) continue;
      const ports = this.#reportPorts(now, report.vlan);
      for (const frame of reportFrames(from, report)) {
        for (const port of ports) this.#parts.effect({ kind: 'frame', port, vlan: report.vlan, frame });
      }
    }
  }

  #heardQuery(now: number, uplink: string, vlan: number, packet: GroupPacket, query: QueryMessage): void {
    const { config, log } = this.#parts;
    const { multicast } = config;
    const { family, src: source } = packet;
    const general = query.group === '0.0.0.0' || query.group === '::';
    const version = family === 6 ? ((query.version + 1) as 2 | 3) : query.version;
    if (multicast.proxy) {
      const group = general ? undefined : query.group;
      this.#proxy.heardQuery(now, { vlan, family, version, group, maxResponseMs: query.maxRespMs });
    }
    const own = this.#sender(undefined)?.[family === 4 ? 'address4' : 'address6'] ?? '0.0.0.0';
    const before = this.#election.querier(now, vlan, family)?.address;
    const rival = { vlan, family, source, qrv: query.qrv, qqicMs: query.qqicSeconds * 1000 };
    const isQuerier = multicast.querier.election && this.#election.heard(now, rival, own);
    if (source !== '0.0.0.0') this.#routerHeard(now, uplink, vlan, this.#routerHoldMs(now, vlan, family));
    if (!isQuerier) return;
    if (before !== source) log.info('querier-heard', { port: uplink, vlan, family, address: source });
    if (!general || !multicast.querier.enabled) return;
    for (const { key: port, up } of this.#parts.stores.ports.values()) {
      if (up && this.#vlansOf(port).has(vlan)) this.#ask(now, port, vlan, family, query.maxRespMs);
    }
  }

  #routerHoldMs(now: number, vlan: number, family: 4 | 6): number {
    const other = this.#election.querier(now, vlan, family);
    return other === undefined ? membershipIntervalMs(this.#parts.config.multicast) : other.until - now;
  }

  /** Reports that a router has missed are said to it now that it is heard. */
  #routerHeard(now: number, uplink: string, vlan: number, holdMs: number): void {
    const isNew = this.#routers.heard(uplink, vlan, now, holdMs);
    const { routerPorts, proxy } = this.#parts.config.multicast;
    if (!isNew || !proxy || routerPorts !== 'learned') return;
    this.#parts.log.info('router-heard', { port: uplink, vlan });
    this.#proxy.sayAll(now);
    this.sendReports(now);
  }

  #reportPorts(now: number, vlan: number): readonly string[] {
    const { uplinks, multicast } = this.#parts.config;
    if (multicast.routerPorts === 'uplinks') return uplinks;
    return uplinks.filter((port) => this.#routers.isRouterPort(now, port, vlan));
  }

  /** The port's own queries: not where somebody else is querier, whose queries are passed on as they come. */
  #askPort(now: number, port: string): void {
    const { queryResponseIntervalMs } = this.#parts.config.multicast;
    for (const vlan of this.#vlansOf(port)) {
      for (const family of FAMILIES) {
        if (this.#election.querier(now, vlan, family) === undefined)
          this.#ask(now, port, vlan, family, queryResponseIntervalMs);
      }
    }
  }

  #askSpecifically(now: number): void {
    for (const { port, vlan, group, sources } of this.#specific.takeDue(now)) {
      const from = this.#sender(port);
      if (from === undefined) continue;
      const { multicast } = this.#parts.config;
      const asked = {
        family: ipFamily(group),
        group,
        sources,
        maxResponseMs: multicast.lastMemberQueryIntervalMs,
      };
      this.#parts.effect({ kind: 'frame', port, vlan, frame: queryFrame(from, multicast, asked) });
    }
  }

  #ask(now: number, port: string, vlan: number, family: 4 | 6, maxResponseMs: number): void {
    const { readings, config } = this.#parts;
    const mac = readings.macOf(port);
    const bridge = readings.macOf(undefined);
    if (mac === undefined || bridge === undefined) return;
    const terms = this.#election.querier(now, vlan, family) ?? config.multicast;
    const frame = this.#general.frame({ mac, bridge, terms, family, maxResponseMs });
    this.#parts.effect({ kind: 'frame', port, vlan, frame });
  }

  /** A host hears the queries of its own VLAN alone, so each VLAN that somebody is in gets one. */
  #vlansOf(port: string): ReadonlySet<number> {
    return new Set([0, ...this.#vlansOfSessions(port)]);
  }

  /** Undefined where the port, or the bridge, is not there. */
  #sender(port: string | undefined): Sender | undefined {
    const { readings, config } = this.#parts;
    const bridge = readings.macOf(undefined);
    const mac = port === undefined ? bridge : readings.macOf(port);
    if (mac === undefined || bridge === undefined) return undefined;
    return senderOf(mac, bridge, config.multicast.querier);
  }
}

const FAMILIES = [4, 6] as const;
