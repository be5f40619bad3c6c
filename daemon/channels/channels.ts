/**
 * Who receives which channel: IGMP and MLD from the ports to the join gate, its decisions to RADIUS, the
 * switch, upstream and accounting. Frames from subscriber ports are reports and leaves, nothing else.
 * What castgate itself says about groups is in group-signalling.ts.
 */
import { LRUCache } from 'lru-cache';
import { Admission } from '../../auth/admission/admission.ts';
import type {
  AdmissionAction,
  ChannelEnd,
  Refusal,
  RefusalReason,
  RevokeCause,
} from '../../auth/admission/admission-records.ts';
import { GroupAuthorization, type NoAnswer } from '../../auth/admission/group-authorization.ts';
import { carriesSource } from '../../auth/admission/group-encoding.ts';
import { questionAttributes, questionToken } from '../../auth/admission/group-question.ts';
import type { ChannelChange } from '../../auth/dynamic/changes.ts';
import type { Reporter } from '../../auth/membership-table.ts';
import { ReportSources } from '../../auth/report-sources.ts';
import type { GroupMessage } from '../../igmp/group-message.ts';
import { decodeGroupPacket, type GroupPacket } from '../../igmp/group-packet.ts';
import { type GroupRecord, RecordType } from '../../igmp/group-record.ts';
import { isLinkLocalGroup, membershipIntervalMs } from '../../igmp/membership.ts';
import { isPim } from '../../igmp/pim.ts';
import type { RadiusAttribute, RadiusPacket } from '../../radius/packet.ts';
import {
  channelKey,
  forwardingKey,
  type GrantRecord,
  hostKey,
  type SessionRecord,
} from '../../session/records.ts';
import { type IpAddress, ipFamily, type Mac } from '../../wire/address.ts';
import { isMalformed } from '../../wire/malformed.ts';
import { isHostGone, type SessionEnd } from '../accounting/end-cause.ts';
import { graceMs } from '../core/grace.ts';
import { type CoreParts, placeOf } from '../core/parts.ts';
import { monitors } from '../subscribers/host/monitored-hosts.ts';
import { GroupSignalling } from './group-signalling.ts';
import { ReportRate } from './report-rate.ts';

/** What channels need of the rest of the core. */
export interface ChannelPeers {
  askGroup(now: number, token: string, server: string, attributes: readonly RadiusAttribute[]): void;
  /** Forgets a question that was put. */
  cancel(now: number, token: string): void;
  channelStarted(now: number, grant: GrantRecord, session: SessionRecord, first: boolean): void;
  /** The first refusal of a wish. */
  channelRefused(now: number, refusal: Refusal): void;
  /** Where else the address of a host is in, that is not in here. */
  placeElsewhere(from: Reporter): 'other-port' | 'other-vlan' | undefined;
  vlansOfPort(port: string): readonly number[];
  /** Whether a host that is not in receives what it wants all the same. */
  isLetThrough(now: number, host: Reporter): boolean;
  /** Called before the switch stops the channel, so that its counter can still be read. */
  channelEnding(now: number, grant: GrantRecord, cause: ChannelEnd): void;
}

/** A refusal as it is kept for `castgate show groups`. */
export interface KeptRefusal extends Refusal {
  readonly at: number;
}

/** How a join is judged, step by step. */
export interface Explanation {
  readonly steps: readonly { readonly step: string; readonly answer: string }[];
  /** `granted` and `waiting` are so already; `grant`, `ask` and `refuse` would become of a join now. */
  readonly verdict: 'granted' | 'waiting' | 'grant' | 'ask' | 'refuse';
  readonly reason: RefusalReason | null;
  readonly detail: string | null;
}

export class Channels {
  readonly #parts: CoreParts;
  readonly #peers: ChannelPeers;
  readonly #authorization: GroupAuthorization;
  readonly #admission: Admission;
  readonly #signalling: GroupSignalling;
  readonly #rate: ReportRate;
  readonly #sources: ReportSources;
  readonly #refusals = new LRUCache<string, KeptRefusal>({ max: KEPT_REFUSALS });

  /** Takes up the records that the stores hold already. */
  constructor(parts: CoreParts, peers: ChannelPeers) {
    this.#parts = parts;
    this.#peers = peers;
    const { config, stores } = parts;
    const { multicast, groups } = config;
    this.#signalling = new GroupSignalling(parts, (port) => peers.vlansOfPort(port));
    this.#rate = new ReportRate({ perHost: multicast.reportsPerHost, perPort: multicast.reportsPerPort });
    const { address, address6 } = multicast.querier;
    this.#sources = new ReportSources(
      {
        own: [address, address6],
        bind: multicast.bindSources,
        holdMs: multicast.membershipIntervalMs ?? membershipIntervalMs(multicast),
      },
      stores.reportSources,
      (host) => stores.sessions.has(host),
    );
    this.#authorization = new GroupAuthorization(groups, stores.decisions, stores.questions);
    this.#admission = new Admission(
      {
        maxGroupsPerHost: multicast.maxGroupsPerHost,
        ...config.channels,
        leave: {
          mode: multicast.leave,
          lastMemberMs: multicast.lastMemberQueryIntervalMs * multicast.lastMemberQueryCount,
        },
        intervalMs: (now, vlan, group) => this.#signalling.membershipIntervalMs(now, vlan, ipFamily(group)),
        olderPresentMs: multicast.olderPresentMs,
        sourcesOf: (group) => multicast.ssmMap.sourcesOf(group),
        ignoreIgmpV1: multicast.igmpv1 === 'ignore',
        encodingCarriesSource: carriesSource(groups.encoding),
        deliverToHost: multicast.deliverTo === 'host',
        placeElsewhere: (from) => this.#peers.placeElsewhere(from),
        monitors: (port) => monitors(parts, port),
        letsThrough: (now, from) => this.#peers.isLetThrough(now, from),
      },
      stores,
      this.#authorization,
    );
  }

  /** An IP packet from a host on a subscriber port. */
  receive(now: number, port: string, vlan: number, mac: Mac, etherType: number, payload: Uint8Array): void {
    const { tally, stores } = this.#parts;
    const host = hostKey(port, vlan, mac);
    const over = stores.sessions.has(host)
      ? this.#rate.take(now, port, host)
      : this.#rate.takeStranger(now, port);
    if (over !== undefined) {
      tally.count(port, `drop/${over}`);
      return;
    }
    const packet = decodeGroupPacket(etherType, payload);
    if (packet === undefined) {
      if (isPim(etherType, payload)) tally.count(port, 'drop/pim-from-subscriber');
      return;
    }
    tally.count(port, 'igmp-rx');
    if (isMalformed(packet)) {
      tally.count(port, `drop/${packet.malformed}`);
      return;
    }
    const { message } = packet;
    if (message.kind === 'query') tally.count(port, 'drop/query-from-subscriber');
    else if (message.kind === 'unknown') tally.count(port, 'drop/igmp-unknown-type');
    else {
      const spoofed = this.#sources.take(now, { port, vlan, mac }, packet.src);
      if (spoofed !== undefined) {
        tally.count(port, `drop/${spoofed}`);
        this.#parts.log.debug('report-dropped', { port, vlan, mac, source: packet.src, reason: spoofed });
        return;
      }
      const version = versionOf(packet);
      const records = recordsOf(message);
      if (stores.sessions.has(host)) this.#rate.charge(now, port, host, records.length - 1);
      for (const record of records) {
        if (isLinkLocalGroup(record.group)) tally.count(port, 'ignored/link-local-group');
        else {
          const { group, sources, type } = record;
          this.#parts.log.debug('group-record', {
            port,
            vlan,
            mac,
            group,
            sources,
            type: RECORD_NAMES[type],
          });
          this.#admission.receive(now, { port, vlan, mac }, version, record);
        }
      }
      this.#carryOut(now);
    }
  }

  /** An IP packet from an uplink. */
  receiveUpstream(now: number, port: string, vlan: number, etherType: number, payload: Uint8Array): void {
    this.#signalling.heardUpstream(now, port, vlan, etherType, payload);
    this.#signalling.sendReports(now);
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

  /** The host authenticated again, and what came with that counts from now on. */
  rightsChanged(now: number, host: string): void {
    this.#admission.rightsChanged(now, host);
    this.#carryOut(now);
  }

  /** The host's session ends: so do its channels. */
  endHost(now: number, host: string, cause: SessionEnd): void {
    this.#admission.endHost(now, host, cause, !isHostGone(cause));
    this.#sources.endHost(host);
    this.#carryOut(now);
  }

  /** The switch could not forward what it was told to. */
  forwardingFailed(now: number, port: string, vlan: number, group: IpAddress): void {
    this.#admission.forwardingFailed(port, vlan, group);
    this.#carryOut(now);
  }

  /** The switch could not send a frame for want of room: it may have told a router something. */
  frameRefused(now: number, port: string, vlan: number): void {
    this.#signalling.frameRefused(now, port, vlan);
  }

  portUp(now: number, port: string): void {
    this.#signalling.portUp(now, port);
  }

  portDown(port: string): void {
    this.#signalling.portDown(port);
  }

  uplinkChanged(now: number, uplink: string, up: boolean): void {
    this.#signalling.uplinkChanged(now, uplink, up);
  }

  /** A host came in: what it joined before is asked for again at once. */
  sessionStarted(now: number, { key, port, vlan }: SessionRecord): void {
    // Elsewhere a host that was not in has nothing yet that it could take over as its own.
    if (monitors(this.#parts, port)) this.rightsChanged(now, key);
    this.#signalling.askHost(now, port, vlan);
  }

  /** The configuration was another one until now: what is granted is held to the one that is there. */
  reconfigured(now: number): void {
    for (const { key } of [...this.#parts.stores.sessions.values()]) this.#admission.rightsChanged(now, key);
    this.#admission.reconfigured(now);
    this.#carryOut(now);
    this.resume(now);
  }

  /** Upstream is told at once what is received here: its switches learn where from. */
  resume(now: number): void {
    const received = [...this.#parts.stores.forwardings.values()].map(({ vlan, group }) => {
      return { vlan, group, filter: this.#admission.upstreamFilter(vlan, group) };
    });
    this.#signalling.resume(now, received);
  }

  handleTimeout(now: number): void {
    this.#admission.handleTimeout(now);
    this.#carryOut(now);
    for (const { vlan, family } of this.#signalling.handleTimeout(now)) {
      // A host may answer as late as its wish would have ended (RFC 9776 §8.4, §8.5).
      this.#admission.keepWishes(vlan, family, now + graceMs(this.#parts.config));
    }
  }

  nextTimeout(): number | undefined {
    const admission = this.#admission.nextTimeout();
    const signalling = this.#signalling.nextTimeout();
    if (admission === undefined || signalling === undefined) return admission ?? signalling;
    return Math.min(admission, signalling);
  }

  channelsOfHost(host: string): number {
    return this.#admission.channelsOfHost(host);
  }

  /** Why a host may have a channel or not, by what is known now. Changes nothing, asks nobody. */
  explain(now: number, from: Reporter, group: IpAddress, source: IpAddress | undefined): Explanation {
    const steps: { step: string; answer: string }[] = [];
    const note = (step: string, answer: string) => steps.push({ step, answer });
    const verdict = this.#admission.explain(now, from, group, source, note);
    if (typeof verdict === 'string') return { steps, verdict, reason: null, detail: null };
    if (verdict.kind !== 'refuse') return { steps, verdict: verdict.kind, reason: null, detail: null };
    return { steps, verdict: 'refuse', reason: verdict.reason, detail: verdict.detail ?? null };
  }

  /** Puts the question of an explanation to RADIUS; what it says is remembered as any answer is. */
  askAbout(now: number, from: Reporter, group: IpAddress, source: IpAddress | undefined): string | undefined {
    const host = hostKey(from.port, from.vlan, from.mac);
    const question = this.#admission.askAbout(now, host, group, source);
    this.#carryOut(now);
    return question;
  }

  /** Whether RADIUS has not answered this question yet. */
  isAsked(question: string): boolean {
    return this.#authorization.isAsked(question);
  }

  channelsOfPort(port: string): number {
    return this.#admission.channelsOfPort(port);
  }

  /** The last refusals, newest first. */
  refusals(): KeptRefusal[] {
    return [...this.#refusals.values()];
  }

  #carryOut(now: number): void {
    for (const action of this.#admission.drainActions()) this.#act(now, action);
    this.#signalling.sendReports(now);
  }

  #act(now: number, action: AdmissionAction): void {
    const { effect, log } = this.#parts;
    switch (action.kind) {
      case 'ask':
        this.#ask(now, action);
        return;
      case 'withdraw':
        this.#peers.cancel(now, questionToken(action.question));
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
        if (grant.by === 'optimistic' || cause === 'unanswered' || cause === 'refused') {
          this.#takenBack(grant, cause);
          return;
        }
        if (grant.by !== 'monitor') this.#peers.channelEnding(now, grant, cause);
        const { host, account, group, source } = grant;
        log.info('channel-ended', { host, account, group, source, cause });
        return;
      }
      case 'refused':
        this.#refused(now, action.refusal);
        return;
      case 'opened-ahead': {
        const { host, port, account, group, source } = action.grant;
        this.#parts.tally.count(port, 'optimistic/opened');
        log.info('join-opened-ahead', { host, account, group, source });
        return;
      }
      case 'let-through':
        this.#letThrough(action);
        return;
      case 'ask-port':
        this.#signalling.askAfterLeave(now, action.port, action.vlan, action.group, action.sources);
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
        this.#signalling.received(now, action.vlan, action.group, action.filter);
        return;
    }
  }

  #ask(now: number, action: Extract<AdmissionAction, { kind: 'ask' }>): void {
    const { question, session, group, source } = action;
    const { config } = this.#parts;
    const form = { ...config.groups, nas: config.nas };
    const place = placeOf(this.#parts, session.port, session.mac);
    const attributes = questionAttributes(form, session, place, group, source);
    if (attributes === undefined) this.unanswered(now, question, 'encoding-lacks-family');
    else this.#peers.askGroup(now, questionToken(question), session.server, attributes);
  }

  /** What was open before RADIUS had answered is not any more: what passed meanwhile was nobody's, and is counted. */
  #takenBack({ host, port, vlan, account, group, source, isAlone }: GrantRecord, cause: RevokeCause): void {
    const { tally, readings, stores, log } = this.#parts;
    tally.count(port, `optimistic/${cause === 'refused' || cause === 'unanswered' ? cause : 'given-up'}`);
    const leaks = isAlone === true && !stores.forwardings.has(forwardingKey(port, vlan, group));
    const { packets, octets } = leaks ? readings.channelCounter(port, vlan, group) : NO_PACKETS;
    tally.count(port, 'optimistic-packets', packets);
    tally.count(port, 'optimistic-octets', octets);
    log.info('join-taken-back', { host, account, group, source, cause, packets, octets });
  }

  /** A join that would be refused is received: told once for each reason, and counted. */
  #letThrough({ refusal, isNews }: Extract<AdmissionAction, { kind: 'let-through' }>): void {
    const { port, vlan, mac, group, source, reason } = refusal;
    this.#parts.tally.count(port, `let-through/${reason}`);
    this.#refusals.delete(channelKey(hostKey(port, vlan, mac), group, source));
    this.#parts.log[isNews ? 'info' : 'debug']('join-let-through', refusal);
  }

  /** The first refusal of a wish is news; its repetitions are counted. */
  #refused(now: number, refusal: Refusal): void {
    const { port, vlan, mac, group, source, reason } = refusal;
    this.#parts.tally.count(port, `refused/${reason}`);
    const key = channelKey(hostKey(port, vlan, mac), group, source);
    const news = this.#refusals.get(key)?.reason !== reason;
    this.#refusals.set(key, { ...refusal, at: now });
    if (news) this.#peers.channelRefused(now, refusal);
    this.#parts.log[news ? 'info' : 'debug']('join-refused', refusal);
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

/** RFC 9776 §4.2.12. */
const RECORD_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(RecordType).map(([name, type]) => [type, name]),
);
const KEPT_REFUSALS = 1024;
const NO_PACKETS = { packets: 0, octets: 0 };
