/**
 * Who receives which channel: IGMP and MLD from the ports to the join gate, its decisions to RADIUS, the
 * switch, upstream and accounting. Frames from subscriber ports are reports and leaves, nothing else.
 */
import { LRUCache } from 'lru-cache';
import { Admission } from '../auth/admission.ts';
import type { AdmissionAction, Refusal, RevokeCause } from '../auth/admission-records.ts';
import type { ChannelChange } from '../auth/dynamic/changes.ts';
import { GroupAuthorization, type NoAnswer } from '../auth/group-authorization.ts';
import { carriesSource } from '../auth/group-encoding.ts';
import { questionAttributes, questionToken } from '../auth/group-question.ts';
import type { GroupMessage } from '../igmp/group-message.ts';
import { decodeGroupPacket, type GroupPacket } from '../igmp/group-packet.ts';
import { type GroupRecord, RecordType } from '../igmp/group-record.ts';
import { ProxyReporter } from '../igmp/proxy-reporter.ts';
import { Querier } from '../igmp/querier.ts';
import type { RadiusAttribute, RadiusPacket } from '../radius/packet.ts';
import { channelKey, type GrantRecord, hostKey, type SessionRecord } from '../session/records.ts';
import type { IpAddress, Mac } from '../wire/address.ts';
import { u32 } from '../wire/bytes.ts';
import { isMalformed } from '../wire/malformed.ts';
import { generalQueryFrame, reportFrames } from './group-frames.ts';
import { type CoreParts, placeOf } from './parts.ts';

/** What channels need of the rest of the core. */
export interface ChannelPeers {
  askGroup(now: number, token: string, server: string, attributes: readonly RadiusAttribute[]): void;
  channelStarted(now: number, grant: GrantRecord, session: SessionRecord, first: boolean): void;
  /** Called before the switch stops the channel, so that its counter can still be read. */
  channelEnding(now: number, grant: GrantRecord, cause: RevokeCause): void;
}

/** A refusal as it is kept for `castgate show groups`. */
export interface KeptRefusal extends Refusal {
  readonly at: number;
}

export class Channels {
  readonly #parts: CoreParts;
  readonly #peers: ChannelPeers;
  readonly #authorization: GroupAuthorization;
  readonly #admission: Admission;
  readonly #querier: Querier;
  readonly #proxy: ProxyReporter;
  readonly #refusals = new LRUCache<string, KeptRefusal>({ max: KEPT_REFUSALS });

  /** Takes up the records that the stores hold already. */
  constructor(parts: CoreParts, peers: ChannelPeers) {
    this.#parts = parts;
    this.#peers = peers;
    const { config, stores } = parts;
    const { multicast, groups } = config;
    this.#authorization = new GroupAuthorization(groups, stores.decisions, stores.questions);
    this.#admission = new Admission(
      {
        maxGroupsPerHost: multicast.maxGroupsPerHost,
        maxGroupsPerPort: multicast.maxGroupsPerPort,
        timers: multicast,
        encodingCarriesSource: carriesSource(groups.encoding),
      },
      stores,
      this.#authorization,
    );
    this.#querier = new Querier(multicast, stores.queriers);
    const interval = multicast.robustness * multicast.queryIntervalMs + multicast.queryResponseIntervalMs;
    this.#proxy = new ProxyReporter(
      { ...multicast, olderQuerierTimeoutMs: interval },
      stores.upstreamGroups,
      stores.upstreamQueriers,
      () => u32(parts.random(4), 0) / 2 ** 32,
    );
  }

  /** An IP packet from a host on a subscriber port. */
  receive(now: number, port: string, vlan: number, mac: Mac, etherType: number, payload: Uint8Array): void {
    const { tally } = this.#parts;
    const packet = decodeGroupPacket(etherType, payload);
    if (packet === undefined) return;
    tally.count(port, 'igmp-rx');
    if (isMalformed(packet)) {
      tally.count(port, `drop/${packet.malformed}`);
      return;
    }
    const { message } = packet;
    if (message.kind === 'query') tally.count(port, 'drop/query-from-subscriber');
    else if (message.kind === 'unknown') tally.count(port, 'drop/igmp-unknown-type');
    else {
      const version = versionOf(packet);
      for (const record of recordsOf(message))
        this.#admission.receive(now, { port, vlan, mac }, version, record);
      this.#carryOut(now);
    }
  }

  /** An IP packet from an uplink: only queries matter. */
  receiveUpstream(now: number, vlan: number, etherType: number, payload: Uint8Array): void {
    if (!this.#parts.config.multicast.proxy) return;
    const packet = decodeGroupPacket(etherType, payload);
    if (packet === undefined || isMalformed(packet) || packet.family !== 4) return;
    const { message } = packet;
    if (message.kind !== 'query') return;
    const group = message.group === '0.0.0.0' ? undefined : message.group;
    this.#proxy.heardQuery(now, { vlan, version: message.version, group, maxResponseMs: message.maxRespMs });
  }

  /** A verified answer of a RADIUS server to a group question. */
  answered(now: number, question: string, reply: RadiusPacket): void {
    if (!this.#authorization.isAsked(question)) return;
    this.#admission.decided(now, this.#authorization.answered(now, question, reply));
    this.#carryOut(now);
  }

  /** No RADIUS server answered a group question. */
  unanswered(now: number, question: string, reason: NoAnswer): void {
    if (!this.#authorization.isAsked(question)) return;
    this.#admission.decided(now, this.#authorization.unanswered(now, question, reason));
    this.#carryOut(now);
  }

  /** RADIUS gives or takes rights to channels while they play. */
  changeRights(now: number, account: string, { verb, groups }: ChannelChange): void {
    this.#admission.changeRights(now, account, groups, verb === 'grant');
    this.#carryOut(now);
  }

  /** The host's session ends: so do its channels. */
  endHost(now: number, host: string, cause: RevokeCause): void {
    this.#admission.endHost(host, cause);
    this.#carryOut(now);
  }

  /** The switch could not forward what it was told to. */
  forwardingFailed(now: number, port: string, vlan: number, group: IpAddress): void {
    this.#admission.forwardingFailed(port, vlan, group);
    this.#carryOut(now);
  }

  portUp(now: number, port: string): void {
    if (this.#parts.config.multicast.querier.enabled) this.#querier.startPort(now, port);
  }

  portDown(port: string): void {
    this.#querier.stopPort(port);
  }

  /** A host came in: what it joined before is asked for again at once. */
  sessionStarted(port: string, vlan: number): void {
    const { multicast } = this.#parts.config;
    if (multicast.querier.enabled) this.#query(port, vlan, multicast.lastMemberQueryIntervalMs);
  }

  /** Upstream is told at once what is received here: its switches learn where from. */
  resume(now: number): void {
    this.#followConfiguration(now);
    this.#proxy.sayAll(now);
    this.#sendReports();
  }

  handleTimeout(now: number): void {
    this.#admission.handleTimeout(now);
    this.#carryOut(now);
    for (const port of this.#querier.takeDue(now)) {
      for (const vlan of this.#vlansOf(port)) {
        this.#query(port, vlan, this.#parts.config.multicast.queryResponseIntervalMs);
      }
    }
    this.#proxy.handleTimeout(now);
    this.#sendReports();
  }

  nextTimeout(): number | undefined {
    let next: number | undefined;
    for (const at of [
      this.#admission.nextTimeout(),
      this.#querier.nextTimeout(),
      this.#proxy.nextTimeout(),
    ]) {
      if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  channelsOfPort(port: string): number {
    return this.#admission.channelsOfPort(port);
  }

  /** The last refusals, newest first. */
  refusals(): KeptRefusal[] {
    return [...this.#refusals.values()];
  }

  /** What queriers and proxy do is as the file says now, whatever it said when the records were made. */
  #followConfiguration(now: number): void {
    const { config, stores } = this.#parts;
    for (const { key: port, up } of stores.ports.values()) {
      if (!config.multicast.querier.enabled) this.#querier.stopPort(port);
      else if (up && !stores.queriers.has(port)) this.#querier.startPort(now, port);
    }
    if (!config.multicast.proxy) {
      for (const key of [...stores.upstreamGroups.values()].map((record) => record.key)) {
        stores.upstreamGroups.delete(key);
      }
      return;
    }
    for (const { vlan, group } of stores.forwardings.values()) {
      this.#proxy.set(now, vlan, group, this.#admission.upstreamFilter(vlan, group));
    }
  }

  #carryOut(now: number): void {
    for (const action of this.#admission.drainActions()) this.#act(now, action);
    this.#sendReports();
  }

  #act(now: number, action: AdmissionAction): void {
    const { effect, log } = this.#parts;
    switch (action.kind) {
      case 'ask':
        this.#ask(now, action.question, action.session, action.group);
        return;
      case 'granted': {
        const { grant } = action;
        this.#refusals.delete(grant.key);
        this.#peers.channelStarted(now, grant, action.session, action.first);
        log.info('join-granted', {
          host: grant.host,
          account: grant.account,
          group: grant.group,
          source: grant.source,
          by: grant.by,
        });
        return;
      }
      case 'revoked': {
        const { grant, cause } = action;
        this.#peers.channelEnding(now, grant, cause);
        const { host, account, group, source } = grant;
        log.info('channel-ended', { host, account, group, source, cause });
        return;
      }
      case 'refused':
        this.#refused(now, action.refusal);
        return;
      case 'port-filter':
        effect({
          kind: 'forward',
          port: action.port,
          vlan: action.vlan,
          group: action.group,
          filter: action.filter,
        });
        return;
      case 'upstream-filter':
        if (this.#parts.config.multicast.proxy)
          this.#proxy.set(now, action.vlan, action.group, action.filter);
        return;
    }
  }

  #ask(now: number, question: string, session: SessionRecord, group: IpAddress): void {
    const { config } = this.#parts;
    const form = { ...config.groups, nas: config.nas };
    const place = placeOf(this.#parts, session.port, session.mac);
    const attributes = questionAttributes(form, session, place, group);
    if (attributes === undefined) this.unanswered(now, question, 'encoding-lacks-family');
    else this.#peers.askGroup(now, questionToken(question), session.server, attributes);
  }

  /** The first refusal of a wish is news; its repetitions are counted. */
  #refused(now: number, refusal: Refusal): void {
    const { port, vlan, mac, group, source, reason } = refusal;
    this.#parts.tally.count(port, `refused/${reason}`);
    const key = channelKey(hostKey(port, vlan, mac), group, source);
    const news = this.#refusals.get(key)?.reason !== reason;
    this.#refusals.set(key, { ...refusal, at: now });
    this.#parts.log[news ? 'info' : 'debug']('join-refused', refusal);
  }

  /** A host hears the queries of its own VLAN alone, so each VLAN that somebody is in gets one. */
  #vlansOf(port: string): ReadonlySet<number> {
    const vlans = new Set([0]);
    for (const session of this.#parts.stores.sessions.values()) {
      if (session.port === port) vlans.add(session.vlan);
    }
    return vlans;
  }

  #query(port: string, vlan: number, maxResponseMs: number): void {
    const src = this.#parts.readings.macOf(port);
    if (src === undefined) return;
    const frame = generalQueryFrame(src, this.#parts.config.multicast, maxResponseMs);
    this.#parts.effect({ kind: 'frame', port, vlan, frame });
  }

  #sendReports(): void {
    const src = this.#parts.readings.macOf(undefined);
    for (const report of this.#proxy.drainReports()) {
      if (src === undefined) continue;
      for (const frame of reportFrames(src, this.#parts.config.multicast.querier.address, report)) {
        for (const port of this.#parts.config.uplinks) {
          this.#parts.effect({ kind: 'frame', port, vlan: report.vlan, frame });
        }
      }
    }
  }
}

/** The version in IGMP's counting: MLDv1 is IGMPv2, MLDv2 is IGMPv3. */
function versionOf(packet: GroupPacket): 1 | 2 | 3 {
  const { message, family } = packet;
  if (message.kind === 'record-report') return 3;
  return message.kind === 'report' && message.version === 1 && family === 4 ? 1 : 2;
}

/** Reports and leaves of the older versions as the records that they mean (RFC 9776 §7.3.2). */
function recordsOf(message: Exclude<GroupMessage, { kind: 'query' | 'unknown' }>): readonly GroupRecord[] {
  switch (message.kind) {
    case 'record-report':
      return message.records;
    case 'report':
      return [{ type: RecordType.IsExclude, group: message.group, sources: [], auxWords: 0 }];
    case 'leave':
      return [{ type: RecordType.ToInclude, group: message.group, sources: [], auxWords: 0 }];
  }
}

const KEPT_REFUSALS = 1024;
